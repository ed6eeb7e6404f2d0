{{/*
Before anything new runs, in the order of the weight; a failed one stays, so that its log can be read. Their network policies
are hooks too: the release's own come later on the first install, and are still the old ones on an upgrade.
*/}}
{{- define "tunesmith.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
