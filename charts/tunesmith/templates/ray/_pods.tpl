{{/*
A pod of a Ray cluster: root; plane, serving or training; name of its container; size: cpus, memoryGib, scratchGib and, of
workers, accelerator, flavour, sharedMemoryGib; pod: its overrides; autoscaler: whether one stands beside it.
Requests are limits: Ray hands out what it was promised. Ports and probes of Ray are KubeRay's to add.
*/}}
{{- define "tunesmith.ray.pod" -}}
{{- $container := include "tunesmith.ray.container" . | fromYaml -}}
{{- $values := eq .plane "training" | ternary (merge (deepCopy .pod) (pick .root.Values.training "terminationGracePeriodSeconds")) .pod -}}
{{- include "tunesmith.pod" (dict "root" .root "part" .plane "values" $values "container" $container) -}}
{{- end -}}

{{- define "tunesmith.ray.container" -}}
{{- $size := .size -}}{{- $accelerator := $size.accelerator | default (dict "count" 0) -}}
{{- $scratch := include "tunesmith.mebibytes" $size.scratchGib -}}
{{- $asked := dict "cpu" (toString $size.cpus) "memory" (include "tunesmith.mebibytes" $size.memoryGib) "ephemeral-storage" $scratch -}}
{{- if $accelerator.count }}{{ $_ := set $asked $accelerator.resource (toString (int $accelerator.count)) }}{{ end -}}
name: {{ .name }}
{{- if (get .root.Values .plane).serviceAccount.annotations }}
serviceAccountName: {{ include "tunesmith.fullname" .root }}-{{ .plane }}
{{- end }}
flavour: {{ $size.flavour | default "cpu" }}
needs: {{ eq .plane "serving" | ternary (list "database" "objects" "runs" "milvus" "hub") (list "objects" "runs" "hub") | toJson }}
modelCache: true
scratch: {sizeLimit: {{ $scratch }}}
sharedMemory: {{ include "tunesmith.mebibytes" (include "tunesmith.ray.sharedMemoryGib" $size) }}
resources: {{- dict "requests" $asked "limits" $asked | toYaml | nindent 2 }}
env:
  - {name: RAY_USAGE_STATS_ENABLED, value: "0"}
  - {name: RAY_worker_register_timeout_seconds, value: "600"}
  - {name: VLLM_NO_USAGE_STATS, value: "1"}
{{- if $accelerator.count }}
tolerations:
  - {key: {{ $accelerator.resource }}, operator: Exists, effect: NoSchedule}
{{- end }}
{{- if .autoscaler }}
volumes: {{- include "tunesmith.autoscaler.token" . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Of a pod, from its size: a head has no value for it. */}}
{{- define "tunesmith.ray.sharedMemoryGib" -}}{{ .sharedMemoryGib | default 2 }}{{- end -}}

{{/* Half of that. Ray takes 30% of the memory otherwise, and has its objects in /tmp where that is more than /dev/shm holds. */}}
{{- define "tunesmith.ray.objectStoreBytes" -}}
{{- printf "%d" (int64 (mulf (include "tunesmith.ray.sharedMemoryGib" . | float64) 536870912)) -}}
{{- end -}}

{{- define "tunesmith.mebibytes" -}}{{ printf "%dMi" (int64 (mulf . 1024)) }}{{- end -}}

{{/* Ray's autoscaler needs the API, the head beside it, which runs users' code, must not: only one of them mounts this. */}}
{{- define "tunesmith.autoscaler.token" -}}
- name: kubernetes-token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3607}
      - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
      - downwardAPI: {items: [{path: namespace, fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}]}
{{- end -}}
