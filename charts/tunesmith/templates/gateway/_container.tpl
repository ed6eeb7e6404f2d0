{{- define "tunesmith.gateway.container" -}}
name: gateway
needs: [database, objects, milvus]
serviceAccountName: {{ include "tunesmith.fullname" . }}-gateway
annotations: {checksum/config: {{ include "tunesmith.config" . | sha256sum }}}
command: [python, -P, -m, tunesmith.gateway]
env:
  {{- include "tunesmith.settings" . | nindent 2 }}
  - {name: TUNESMITH_DRAIN_SECONDS, value: {{ include "tunesmith.gateway.drainSeconds" . | quote }}}
ports: [{name: http, containerPort: 8000, protocol: TCP}, {name: metrics, containerPort: 8001, protocol: TCP}]
startupProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 2, failureThreshold: 60}
readinessProbe: {httpGet: {path: {{ .Values.gateway.readinessPath }}, port: http}, periodSeconds: 5, timeoutSeconds: 3}
livenessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6}
lifecycle: {preStop: {exec: {command: [sleep, {{ .Values.gateway.drainSeconds | quote }}]}}}
volumeMounts: {{- include "tunesmith.settings.mounts" . | nindent 2 }}
volumes: {{- include "tunesmith.settings.volumes" . | nindent 2 }}
{{- end -}}

{{- define "tunesmith.gateway.url" -}}
http://{{ include "tunesmith.fullname" . }}-gateway.{{ .Release.Namespace }}.svc:{{ int .Values.gateway.service.port }}
{{- end -}}

{{/* How long answers under way have when a pod ends: all that its grace period leaves, but for a margin. */}}
{{- define "tunesmith.gateway.drainSeconds" -}}
{{- $grace := dig "terminationGracePeriodSeconds" .Values.pod.terminationGracePeriodSeconds .Values.gateway.pod -}}
{{- max 1 (sub (int $grace) (add (int .Values.gateway.drainSeconds) 10)) -}}
{{- end -}}
