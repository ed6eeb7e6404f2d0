{{- define "tunesmith.migration.container" -}}
name: migration
needs: [database]
restartPolicy: Never
command: [python, -P, -m, tunesmith.stores.migrate]
{{- end -}}
