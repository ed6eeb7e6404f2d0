{{/* root, plane, namespace: a Ray cluster talks within its plane and namespace, to the stores, and with its operator. */}}
{{- define "tunesmith.ray.networkpolicy" -}}
{{- $root := .root -}}{{- $flows := $root.Values.networkPolicy -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "tunesmith.metadata" (list $root .plane .plane .namespace) | nindent 2 }}
spec:
  podSelector:
    matchLabels: {{- include "tunesmith.selectorLabels" (list $root .plane) | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - from: [{podSelector: {matchLabels: {{ include "tunesmith.selectorLabels" (list $root .plane) | fromYaml | toJson }}}}]
    # Job submission, the agent's health; Serve's configuration and its health.
    {{- $asked := eq .plane "serving" | ternary (list 8265 8000 52365) (list 8265 52365) }}
    {{- include "tunesmith.flow" (dict "key" "from" "peers" $flows.operator "ports" $asked) | nindent 4 }}
    {{- include "tunesmith.flow" (dict "key" "from" "peers" $flows.monitoring "ports" (list 8080)) | nindent 4 }}
    {{- if eq .plane "serving" }}
    {{- range $part := list "gateway" "controller" "indexer" }}
    - ports: [{port: 8000, protocol: TCP}]
      from: {{- include "tunesmith.peer" (list $root $part) | nindent 8 }}
    {{- end }}
    {{- if eq $root.Values.serving.upgrade.strategy "Incremental" }}
    {{- include "tunesmith.flow" (dict "key" "from" "peers" $flows.servingGateway "ports" (list 8000)) | nindent 4 }}
    {{- end }}
    {{- end }}
  egress:
    - to: [{podSelector: {matchLabels: {{ include "tunesmith.selectorLabels" (list $root .plane) | fromYaml | toJson }}}}]
    {{- include "tunesmith.flow.stores" $root | nindent 4 }}
    {{- if (get $root.Values .plane).autoscaler.enabled }}
    {{- include "tunesmith.flow.apiServer" $root | nindent 4 }}
    {{- end }}
{{- end -}}
