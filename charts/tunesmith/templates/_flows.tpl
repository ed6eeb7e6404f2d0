{{/* Named flows: each is one rule of a NetworkPolicy. */}}

{{/* (key, peers, ports): one rule; `key` is from or to. Without peers there is none: a rule without peers lets everybody in. */}}
{{- define "tunesmith.flow" -}}
{{- if .peers -}}
- ports: {{- include "tunesmith.flow.ports" .ports | nindent 4 }}
  {{ .key }}: {{- toYaml .peers | nindent 4 }}
{{- end -}}
{{- end -}}

{{/* ports: one rule, for everybody. */}}
{{- define "tunesmith.flow.anybody" -}}
- ports: {{- include "tunesmith.flow.ports" . | nindent 4 }}
{{- end -}}

{{- define "tunesmith.flow.ports" -}}
{{- range . }}
- {port: {{ . }}, protocol: TCP}
{{- end }}
{{- end -}}

{{/* 5353 is where OpenShift's DNS pods listen: policies see the port behind the Service. */}}
{{- define "tunesmith.flow.dns" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}, {port: 5353, protocol: UDP}, {port: 5353, protocol: TCP}]
  to: {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
{{- end -}}

{{- define "tunesmith.flow.stores" -}}
{{- with .Values.networkPolicy.stores }}{{ toYaml . }}{{ end }}
{{- end -}}

{{- define "tunesmith.flow.apiServer" -}}
{{- with .Values.networkPolicy.apiServer }}{{ toYaml . }}{{ end }}
{{- end -}}

{{/* To the served bases: their proxies, and, where upgrades move traffic in steps, the Gateways before them. */}}
{{- define "tunesmith.flow.serving" -}}
- ports: [{port: 8000, protocol: TCP}]
  to: {{- include "tunesmith.peer" (list . "serving") | nindent 4 }}
{{- if eq .Values.serving.upgrade.strategy "Incremental" }}
# A Gateway's pods listen on ports of their own.
- to: {{- toYaml .Values.networkPolicy.servingGateway | nindent 4 }}
{{- end }}
{{- end -}}

{{/* (root, part): pods of this release in every namespace of it. */}}
{{- define "tunesmith.peer" -}}
{{- $root := index . 0 -}}
- namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ $root.Release.Namespace }}}}
  podSelector:
    matchLabels: {{- include "tunesmith.selectorLabels" . | nindent 6 }}
{{- end -}}
