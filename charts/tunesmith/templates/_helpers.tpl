{{/* Prefix of the names of all objects: short enough for what KubeRay appends. */}}
{{- define "tunesmith.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* (root, part): the labels that selectors use; they never change. */}}
{{- define "tunesmith.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
{{- with index . 1 }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{/*
(root, part, suffix of the name, "" for the bare prefix, namespace if it is not the release's): name, labels and annotations of
an object. Priorities, queues and tenants are the cluster's own, or say theirs themselves.
*/}}
{{- define "tunesmith.metadata" -}}
{{- $root := index . 0 -}}{{- $part := index . 1 -}}
name: {{ include "tunesmith.fullname" $root }}{{ with index . 2 }}-{{ . }}{{ end }}
{{- if gt (len .) 3 }}
namespace: {{ index . 3 }}
{{- else if not (has $part (list "priorities" "queues" "tenants")) }}
namespace: {{ $root.Release.Namespace }}
{{- end }}
labels:
  {{- include "tunesmith.selectorLabels" (list $root $part) | nindent 2 }}
  app.kubernetes.io/part-of: tunesmith
  app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
  app.kubernetes.io/managed-by: {{ $root.Release.Service }}
  helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version | replace "+" "_" }}
  {{- with $root.Values.labels }}{{ toYaml . | nindent 2 }}{{ end }}
{{- with $root.Values.annotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* (root, flavour): an image, by its digest where one is given. */}}
{{- define "tunesmith.image" -}}
{{- $root := index . 0 -}}{{- $flavour := index . 1 -}}{{- $image := $root.Values.image -}}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $image.repository }}
{{- with get $image.digests $flavour }}@{{ . }}{{ else }}:{{ default $root.Chart.AppVersion $image.tag }}-{{ $flavour }}{{ end }}
{{- end -}}

{{/* Namespaces where Ray objects may be made, as {items: [...]}: the release's own first, then the tenants'. */}}
{{- define "tunesmith.workspaces" -}}
items:
  - namespace: {{ .Release.Namespace }}
    project: null
    queue: {{ .Values.queues.enabled | ternary (include "tunesmith.fullname" .) nil | toJson }}
  {{- range .Values.tenants }}
  - namespace: {{ .namespace }}
    project: {{ .project | quote }}
    queue: {{ $.Values.queues.enabled | ternary (include "tunesmith.fullname" $) nil | toJson }}
  {{- end }}
{{- end -}}

{{/* The Secret with the first key. */}}
{{- define "tunesmith.adminSecret" -}}
{{- .Values.bootstrap.secret | default (printf "%s-admin-key" (include "tunesmith.fullname" .)) -}}
{{- end -}}
