{{- define "tunesmith.test.container" -}}
name: test
needs: []
restartPolicy: Never
command: [python, -P, -m, tunesmith.deploy.smoke]
env:
  - {name: OPENAI_BASE_URL, value: {{ include "tunesmith.gateway.url" . }}/v1}
  - name: OPENAI_API_KEY
    valueFrom: {secretKeyRef: {name: {{ include "tunesmith.adminSecret" . }}, key: key}}
{{- end -}}
