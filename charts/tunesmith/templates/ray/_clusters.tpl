{{/* Data of the ConfigMap: every pod of a Ray cluster, once, and what the clusters are made of. */}}
{{- define "tunesmith.templates" -}}
{{- $root := . -}}
clusters.yaml: | {{- include "tunesmith.clusters" . | nindent 2 }}
{{- range $plane, $prefix := dict "serving" "" "training" "train-" }}
{{- $values := get $root.Values $plane }}
{{ $prefix }}head.yaml: |
  {{- include "tunesmith.ray.pod" (dict "root" $root "plane" $plane "name" "ray-head" "size" $values.head "pod" $values.head.pod "autoscaler" $values.autoscaler.enabled) | nindent 2 }}
{{- range $name, $_ := $values.workerGroups }}
{{- $group := include "tunesmith.group" (list $root .) | fromYaml }}
{{ $prefix }}worker-{{ $name }}.yaml: |
  {{- include "tunesmith.ray.pod" (dict "root" $root "plane" $plane "name" "ray-worker" "size" $group "pod" $group.pod) | nindent 2 }}
{{- end }}
{{- end }}
submitter.yaml: |
  {{- include "tunesmith.pod" (dict "root" . "part" "training" "values" .Values.training.submitter.pod "container" (dict "name" "submitter" "needs" list "restartPolicy" "Never")) | nindent 2 }}
{{- end -}}

{{/* (root, group): a worker group with its defaults. */}}
{{- define "tunesmith.group" -}}
{{- mergeOverwrite (deepCopy (index . 0).Values.workerGroup) (deepCopy (index . 1)) | toYaml -}}
{{- end -}}

{{- define "tunesmith.clusters" -}}
rayVersion: {{ .Values.ray.version | quote }}
authOptions: {mode: token}
serving:
  {{- include "tunesmith.cluster" (dict "root" . "plane" "serving" "prefix" "") | nindent 2 }}
  {{- with .Values.serving.upgrade }}
  upgradeStrategy: {{- include "tunesmith.upgradeStrategy" . | nindent 4 }}
  rayClusterDeletionDelaySeconds: {{ int .deletionDelaySeconds }}
  {{- end }}
  {{- with .Values.ray.faultTolerance }}
  {{- if .enabled }}
  gcsFaultToleranceOptions:
    redisAddress: {{ .redis }}
    {{- if .username }}
    redisUsername: {value: {{ .username | quote }}}
    {{- end }}
    {{- if .password.name }}
    redisPassword: {valueFrom: {secretKeyRef: {name: {{ .password.name }}, key: {{ .password.key }}}}}
    {{- end }}
  {{- end }}
  {{- end }}
training:
  {{- include "tunesmith.cluster" (dict "root" . "plane" "training" "prefix" "train-") | nindent 2 }}
  submitter: {template: submitter.yaml}
  backoffLimit: 0
  activeDeadlineSeconds: {{ .Values.training.activeDeadlineSeconds | toJson }}
  ttlSecondsAfterFinished: {{ int .Values.training.ttlSecondsAfterFinished }}
workspaces: {{- (include "tunesmith.workspaces" . | fromYaml).items | toYaml | nindent 2 }}
{{- end -}}

{{/* root, plane, prefix of the templates' names: what serving and training clusters have alike. */}}
{{- define "tunesmith.cluster" -}}
{{- $values := get .root.Values .plane -}}
autoscaling: {{ $values.autoscaler.enabled }}
{{- if $values.autoscaler.enabled }}
autoscalerOptions:
  version: v2
  idleTimeoutSeconds: {{ int $values.autoscaler.idleTimeoutSeconds }}
  upscalingMode: {{ $values.autoscaler.upscalingMode }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  resources: {{- toYaml .root.Values.ray.autoscaler.resources | nindent 4 }}
  securityContext: {{- toYaml .root.Values.securityContext | nindent 4 }}
  volumeMounts:
    - {name: kubernetes-token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
    - {name: tmp, mountPath: /tmp}
    - {name: home, mountPath: {{ include "tunesmith.home" . }}}
{{- end }}
{{- /* Kueue admits whole clusters and refuses one that grows. */}}
queue: {{ and .root.Values.queues.enabled (not $values.autoscaler.enabled) | ternary (include "tunesmith.fullname" .root) nil | toJson }}
{{- /* Kueue's own class of that name; a class of the pods alone it reads from them. */}}
priorityClassName: {{ .root.Values.priorityClasses.create | ternary (printf "%s-%s" (include "tunesmith.fullname" .root) .plane) "" | quote }}
head:
  template: {{ .prefix }}head.yaml
  rayStartParams: {num-cpus: "0", dashboard-host: 0.0.0.0, object-store-memory: {{ include "tunesmith.ray.objectStoreBytes" $values.head | quote }}}
workerGroups:
  {{- range $name, $_ := $values.workerGroups }}
  {{- $group := include "tunesmith.group" (list $.root .) | fromYaml }}
  - name: {{ $name }}
    template: {{ $.prefix }}worker-{{ $name }}.yaml
    replicas: {{ int ($values.autoscaler.enabled | ternary $group.minReplicas $group.maxReplicas) }}
    minReplicas: {{ int ($values.autoscaler.enabled | ternary $group.minReplicas $group.maxReplicas) }}
    maxReplicas: {{ int $group.maxReplicas }}
    numOfHosts: {{ int $group.numOfHosts }}
    {{- with $group.accelerator }}
    accelerator: {{ empty .count | ternary nil .resource | toJson }}
    accelerators: {{ int .count }}
    acceleratorType: {{ empty .type | ternary nil .type | toJson }}
    {{- end }}
    cpus: {{ $group.cpus }}
    memoryGib: {{ $group.memoryGib }}
    idleTimeoutSeconds: {{ $group.idleTimeoutSeconds | toJson }}
    rayStartParams: {object-store-memory: {{ include "tunesmith.ray.objectStoreBytes" $group | quote }}}
  {{- end }}
{{- end -}}

{{/* RayService.spec.upgradeStrategy. Drain: KubeRay replaces nothing, the controller takes the old cluster away first. */}}
{{- define "tunesmith.upgradeStrategy" -}}
{{- if eq .strategy "Incremental" -}}
type: NewClusterWithIncrementalUpgrade
clusterUpgradeOptions:
  gatewayClassName: {{ .gatewayClassName }}
  maxSurgePercent: {{ int .maxSurgePercent }}
  stepSizePercent: {{ int .stepSizePercent }}
  intervalSeconds: {{ int .intervalSeconds }}
{{- else -}}
type: {{ eq .strategy "Surge" | ternary "NewCluster" "None" }}
{{- end -}}
{{- end -}}
