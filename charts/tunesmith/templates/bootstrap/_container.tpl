{{- define "tunesmith.bootstrap.container" -}}
name: bootstrap
needs: [database]
restartPolicy: Never
serviceAccountName: {{ include "tunesmith.fullname" . }}-bootstrap
token: true
command: [python, -P, -m, tunesmith.deploy.bootstrap]
env:
  - {name: TUNESMITH_ADMIN_SECRET_NAME, value: {{ include "tunesmith.adminSecret" . }}}
  - name: TUNESMITH_NAMESPACE
    valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
{{- end -}}
