{{/* hub and the model cache: an embedder other than the shipped one has its tokenizer there. */}}
{{- define "tunesmith.indexer.container" -}}
name: indexer
needs: [database, objects, milvus, hub]
modelCache: true
serviceAccountName: {{ include "tunesmith.fullname" . }}-indexer
annotations: {checksum/config: {{ include "tunesmith.config" . | sha256sum }}}
command: [python, -P, -m, tunesmith.ingest]
env: {{- include "tunesmith.settings" . | nindent 2 }}
ports: [{name: http, containerPort: 8001, protocol: TCP}]
startupProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 2, failureThreshold: 60}
readinessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 10, timeoutSeconds: 3}
livenessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 20, timeoutSeconds: 5, failureThreshold: 6}
volumeMounts: {{- include "tunesmith.settings.mounts" . | nindent 2 }}
volumes: {{- include "tunesmith.settings.volumes" . | nindent 2 }}
{{- end -}}
