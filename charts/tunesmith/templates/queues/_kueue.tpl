{{/* The version of Kueue's API that the cluster has. */}}
{{- define "tunesmith.kueue" -}}
kueue.x-k8s.io/{{ .Capabilities.APIVersions.Has "kueue.x-k8s.io/v1beta2" | ternary "v1beta2" "v1beta1" }}
{{- end -}}

{{/* (root, workspace): name of its ClusterQueue, which is no namespace's own. */}}
{{- define "tunesmith.clusterQueue" -}}
{{- include "tunesmith.fullname" (index . 0) }}-{{ (index . 1).namespace -}}
{{- end -}}
