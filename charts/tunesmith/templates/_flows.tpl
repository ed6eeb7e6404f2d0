{{/* Named flows: each is one rule of a NetworkPolicy. */}}

{{/* (peers, ports): one rule; `key` is from or to. No peers: everybody. */}}
{{- define "tunesmith.flow" -}}
- ports: {{- range .ports }}
    - {port: {{ . }}, protocol: TCP}
  {{- end }}
  {{- with .peers }}
  {{ $.key }}: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "tunesmith.flow.stores" -}}
{{- with .Values.networkPolicy.stores }}{{ toYaml . }}{{ end }}
{{- end -}}

{{- define "tunesmith.flow.apiServer" -}}
{{- with .Values.networkPolicy.apiServer }}{{ toYaml . }}{{ end }}
{{- end -}}

{{/* (root, part): pods of this release in every namespace of it. */}}
{{- define "tunesmith.peer" -}}
{{- $root := index . 0 -}}
- namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ $root.Release.Namespace }}}}
  podSelector:
    matchLabels: {{- include "tunesmith.selectorLabels" . | nindent 6 }}
{{- end -}}
