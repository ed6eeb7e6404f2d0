{{/* serve.yaml: what the program does. */}}
{{- define "tunesmith.config" -}}
{{- toYaml .Values.config -}}
{{- end -}}

{{/* Where gateway, controller and indexer find what the chart tells them. */}}
{{- define "tunesmith.settings" -}}
- {name: TUNESMITH_CONFIG, value: /etc/tunesmith/config/serve.yaml}
- {name: TUNESMITH_TEMPLATES, value: /etc/tunesmith/templates}
- {name: TUNESMITH_RELEASE, value: {{ include "tunesmith.fullname" . }}}
{{- if eq .Values.serving.upgrade.strategy "Incremental" }}
- {name: TUNESMITH_SERVE_URL, value: {{ .Values.serving.upgrade.gatewayUrl | quote }}}
{{- end }}
- name: TUNESMITH_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
{{- end -}}

{{- define "tunesmith.settings.mounts" -}}
- {name: config, mountPath: /etc/tunesmith/config, readOnly: true}
- {name: templates, mountPath: /etc/tunesmith/templates, readOnly: true}
{{- end -}}

{{- define "tunesmith.settings.volumes" -}}
- {name: config, configMap: {name: {{ include "tunesmith.fullname" . }}-config}}
- {name: templates, configMap: {name: {{ include "tunesmith.fullname" . }}-pod-templates}}
{{- end -}}
