{{/* (root, part): namespaces of a part's pods. Training runs in the tenants' namespaces too. */}}
{{- define "tunesmith.monitored" -}}
{{- $root := index . 0 -}}
{{- $places := list $root.Release.Namespace -}}
{{- if eq (index . 1) "training" }}{{ range $root.Values.tenants }}{{ $places = append $places .namespace }}{{ end }}{{ end -}}
{{- toJson $places -}}
{{- end -}}
