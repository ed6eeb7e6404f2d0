{{- define "tunesmith.controller.container" -}}
name: controller
needs: [database, objects, runs, milvus]
serviceAccountName: {{ include "tunesmith.fullname" . }}-controller
token: true
annotations:
  checksum/config: {{ include "tunesmith.config" . | sha256sum }}
  checksum/templates: {{ include "tunesmith.templates" . | sha256sum }}
command: [python, -P, -m, tunesmith.controller]
env:
  {{- include "tunesmith.settings" . | nindent 2 }}
  - {name: TUNESMITH_GATEWAY_URL, value: {{ include "tunesmith.gateway.url" . }}}
ports: [{name: http, containerPort: 8001, protocol: TCP}]
startupProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 2, failureThreshold: 60}
readinessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 10, timeoutSeconds: 3}
livenessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 20, timeoutSeconds: 5, failureThreshold: 6}
volumeMounts: {{- include "tunesmith.settings.mounts" . | nindent 2 }}
volumes: {{- include "tunesmith.settings.volumes" . | nindent 2 }}
{{- end -}}
