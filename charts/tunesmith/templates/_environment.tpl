{{- define "tunesmith.home" -}}/home/tunesmith{{- end -}}
{{- define "tunesmith.modelCache.path" -}}/var/cache/models{{- end -}}
{{- define "tunesmith.modelCache.claim" -}}
{{- .Values.modelCache.existingClaim | default (printf "%s-model-cache" (include "tunesmith.fullname" .)) -}}
{{- end -}}

{{/*
(root, part): the mount of the model cache. What one part writes no other reads: programs of tenants train beside what is served,
and the indexer's parsers read foreign files. The controller narrows training's folder to the project's. Nobody writes to a cache
that is filled by hand.
*/}}
{{- define "tunesmith.modelCache.mount" -}}
{{- $place := (index . 0).Values.modelHub.offline | ternary "readOnly: true" (printf "subPath: %s" (index . 1)) -}}
{name: model-cache, mountPath: {{ include "tunesmith.modelCache.path" . }}, {{ $place }}}
{{- end -}}

{{/*
(root, needs): environment variables of a container. Everybody has a home; the rest is asked for:
database, objects, runs, milvus, hub. What a pod does not need it does not hold.
*/}}
{{- define "tunesmith.environment" -}}
{{- $root := index . 0 -}}{{- $needs := index . 1 -}}{{- $values := $root.Values -}}
- {name: HOME, value: {{ include "tunesmith.home" . }}}
{{- /* A user that /etc/passwd does not know, as OpenShift gives them, has no name otherwise; torch asks for one. */}}
- {name: USER, value: tunesmith}
- {name: TUNESMITH_HOME, value: {{ include "tunesmith.home" . }}/state}
- {name: XDG_CACHE_HOME, value: {{ include "tunesmith.home" . }}/.cache}
- {name: PYTHONUNBUFFERED, value: "1"}
{{- if has "database" $needs }}
- name: TUNESMITH_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ $values.database.secret.name }}, key: {{ $values.database.secret.key }}}}
{{- end }}
{{- if has "objects" $needs }}
- {name: TUNESMITH_OBJECTS_URL, value: {{ $values.objects.url | quote }}}
{{- with $values.objects.endpoint }}
- {name: AWS_ENDPOINT_URL, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- if and (has "runs" $needs) (not (hasPrefix "file://" $values.objects.url)) }}
- {name: TUNESMITH_OBJECTS_FOLDER, value: {{ include "tunesmith.objects.folder" (list $root $needs) }}}
{{- end }}
{{- if has "milvus" $needs }}
- {name: TUNESMITH_MILVUS_URI, value: {{ $values.milvus.uri | quote }}}
{{- with $values.milvus.token }}{{ if .name }}
- name: TUNESMITH_MILVUS_TOKEN
  valueFrom: {secretKeyRef: {name: {{ .name }}, key: {{ .key }}}}
{{- end }}{{ end }}
{{- end }}
{{- if has "hub" $needs }}
- {name: HF_HOME, value: {{ $values.modelCache.enabled | ternary (include "tunesmith.modelCache.path" .) (printf "%s/.cache/huggingface" (include "tunesmith.home" .)) }}}
- {name: HF_HUB_OFFLINE, value: {{ $values.modelHub.offline | ternary "1" "0" | quote }}}
{{- with $values.modelHub.endpoint }}
- {name: HF_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- with $values.modelHub.token }}{{ if .name }}
- name: HF_TOKEN
  valueFrom: {secretKeyRef: {name: {{ .name }}, key: {{ .key }}}}
{{- end }}{{ end }}
{{- end }}
{{- end -}}

{{/*
(root, needs): where the volume of objects is mounted; empty where it is not needed. A folder holds files and runs; beside
a bucket it holds what runs write, and who only needs files has no use for it.
*/}}
{{- define "tunesmith.objects.folder" -}}
{{- $root := index . 0 -}}{{- $needs := index . 1 -}}{{- $url := $root.Values.objects.url -}}
{{- if and (hasPrefix "file://" $url) (or (has "objects" $needs) (has "runs" $needs)) -}}
{{- trimPrefix "file://" $url | trimSuffix "/" -}}
{{- else if has "runs" $needs -}}
/var/lib/tunesmith/objects
{{- end -}}
{{- end -}}

{{/* (root, needs): Secrets whose every key is a variable. */}}
{{- define "tunesmith.environmentFrom" -}}
{{- $root := index . 0 -}}
{{- if and (has "objects" (index . 1)) $root.Values.objects.secret }}
- secretRef: {name: {{ $root.Values.objects.secret }}}
{{- end }}
{{- end -}}
