{{/* Values that contradict each other: all of them, each with a sentence, at once. */}}
{{- define "tunesmith.refuse" -}}
{{- $faults := list -}}
{{- range $part := list "gateway" "pods" "clusters" "tenants" "settings" "cluster" -}}
{{- range regexFindAll "(?m)^- .+$" (include (printf "tunesmith.refuse.%s" $part) $) -1 -}}
{{- $faults = append $faults (trimPrefix "- " .) -}}
{{- end -}}
{{- end -}}
{{- if $faults -}}
{{- fail (printf "%d of the values contradict others:\n- %s" (len $faults) (join "\n- " $faults)) -}}
{{- end -}}
{{- end -}}

{{- define "tunesmith.refuse.gateway" -}}
{{- with .Values.gateway }}
{{- if and .ingress.enabled .httpRoute.enabled }}
- gateway.ingress.enabled and gateway.httpRoute.enabled are both true. Enable one of them.
{{- end }}
{{- if and .ingress.enabled (not .ingress.host) }}
- gateway.ingress.enabled is true and gateway.ingress.host is empty. Set the host name that clients use.
{{- end }}
{{- if and .ingress.enabled (not .ingress.tlsSecret) (not .ingress.plaintext) }}
- gateway.ingress.tlsSecret is empty, so API keys would travel in clear. Set it, or gateway.ingress.plaintext=true where TLS ends before the Ingress.
{{- end }}
{{- if and (ne .service.type "ClusterIP") (not .service.plaintext) }}
- gateway.service.type={{ .service.type }} opens a port without TLS, so API keys would travel in clear. Use gateway.ingress or gateway.httpRoute, or set gateway.service.plaintext=true where TLS ends at the load balancer.
{{- end }}
{{- if and .autoscaling.enabled (not (dig "resources" "requests" "cpu" "" .pod)) }}
- gateway.autoscaling.enabled needs gateway.pod.resources.requests.cpu: it holds a share of that. Set it.
{{- end }}
{{- if ge (int .drainSeconds) (int (dig "terminationGracePeriodSeconds" $.Values.pod.terminationGracePeriodSeconds .pod)) }}
- gateway.drainSeconds={{ .drainSeconds }} takes all of gateway.pod.terminationGracePeriodSeconds={{ dig "terminationGracePeriodSeconds" $.Values.pod.terminationGracePeriodSeconds .pod }}, so that answers under way are cut off. Lower the first.
{{- end }}
{{- $drain := dig "load" "drain_seconds" 0 $.Values.config }}
{{- if gt (float64 $drain) (include "tunesmith.gateway.drainSeconds" $ | float64) }}
- config.load.drain_seconds={{ $drain }} is more than the {{ include "tunesmith.gateway.drainSeconds" $ }} that gateway.pod.terminationGracePeriodSeconds leaves beside gateway.drainSeconds. Raise that, or leave it out: all that is left is taken.
{{- end }}
{{- if and .httpRoute.enabled (not .httpRoute.parentRefs) }}
- gateway.httpRoute.enabled is true and gateway.httpRoute.parentRefs is empty. Name a Gateway.
{{- end }}
{{- if and .autoscaling.enabled (gt (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas)) }}
- gateway.autoscaling.minReplicas={{ .autoscaling.minReplicas }} is above gateway.autoscaling.maxReplicas={{ .autoscaling.maxReplicas }}. Lower the first.
{{- end }}
{{- $replicas := int (.autoscaling.enabled | ternary .autoscaling.minReplicas .replicas) }}
{{- if and .disruptionBudget.enabled (gt $replicas 1) (ge (int .disruptionBudget.maxUnavailable) $replicas) }}
- gateway.disruptionBudget.maxUnavailable={{ .disruptionBudget.maxUnavailable }} lets all {{ $replicas }} pods go at once. Lower it.
{{- end }}
{{- end }}
{{- with .Values.controller }}
{{- if and .disruptionBudget.enabled (gt (int .replicas) 1) (ge (int .disruptionBudget.maxUnavailable) (int .replicas)) }}
- controller.disruptionBudget.maxUnavailable={{ .disruptionBudget.maxUnavailable }} lets all {{ .replicas }} pods go at once. Lower it.
{{- end }}
{{- end }}
{{- with .Values.indexer }}
{{- if and .enabled .disruptionBudget.enabled (gt (int .replicas) 1) (ge (int .disruptionBudget.maxUnavailable) (int .replicas)) }}
- indexer.disruptionBudget.maxUnavailable={{ .disruptionBudget.maxUnavailable }} lets all {{ .replicas }} pods go at once. Lower it.
{{- end }}
{{- end }}
{{- end -}}

{{- define "tunesmith.refuse.pods" -}}
{{- if regexMatch "^[0-9]" (include "tunesmith.fullname" .) }}
- the release {{ .Release.Name }} begins with a digit, and names of Services and Ray clusters must not. Set fullnameOverride.
{{- end }}
{{- with .Values }}
{{- $parts := dict "gateway" .gateway.pod "controller" .controller.pod "indexer" .indexer.pod "migration" .migration.pod
      "bootstrap" .bootstrap.pod "tests" .tests.pod "training.submitter" .training.submitter.pod
      "serving.head" .serving.head.pod "training.head" .training.head.pod }}
{{- range $plane := list "serving" "training" }}
{{- range $name, $group := (get $.Values $plane).workerGroups }}
{{- $_ := set $parts (printf "%s.workerGroups.%s" $plane $name) (include "tunesmith.group" (list $ $group) | fromYaml).pod }}
{{- end }}
{{- end }}
{{- range $part, $own := $parts }}
{{- $pod := mergeOverwrite (deepCopy $.Values.pod) (deepCopy $own) }}
{{- range $resource, $asked := ($pod.resources | default dict).requests }}
{{- $most := get ($pod.resources.limits | default dict) $resource }}
{{- if and $asked $most (gt (include "tunesmith.amount" $asked | float64) (include "tunesmith.amount" $most | float64)) }}
- {{ $part }}.pod.resources.requests.{{ $resource }}={{ $asked }} is above its limit {{ $most }}. Lower it, or raise the limit.
{{- end }}
{{- end }}
{{- range $pod.volumes }}
{{- if has .name (list "tmp" "home" "shared-memory" "model-cache" "objects" "config" "templates" "kubernetes-token") }}
- {{ $part }}.pod.volumes holds the name {{ .name }}, which is a volume of the chart's own. Rename it.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A quantity of Kubernetes as a number. */}}
{{- define "tunesmith.amount" -}}
{{- $suffix := regexFind "[A-Za-z]*$" (toString .) -}}
{{- $times := dict "" 1.0 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18
      "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 -}}
{{- mulf (trimSuffix $suffix (toString .) | float64) (get $times $suffix) -}}
{{- end -}}

{{/* The greatest of some numbers. */}}
{{- define "tunesmith.most" -}}
{{- $most := 0.0 -}}
{{- range . -}}{{- $most = maxf $most . -}}{{- end -}}
{{- $most -}}
{{- end -}}

{{- define "tunesmith.refuse.clusters" -}}
{{- range $plane := list "serving" "training" }}
{{- $groups := (get $.Values $plane).workerGroups }}
{{- if not $groups }}
- {{ $plane }}.workerGroups is empty. Name a group: its head runs no work.
{{- end }}
{{- range $name, $_ := $groups }}
{{- with include "tunesmith.group" (list $ .) | fromYaml }}
{{- $where := printf "%s.workerGroups.%s" $plane $name }}
{{- if eq $name "head" }}
- {{ $where }} is called as the head is, which Kueue refuses. Rename it.
{{- end }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
- {{ $where }}.minReplicas={{ .minReplicas }} is above its maxReplicas={{ .maxReplicas }}. Lower the first.
{{- end }}
{{- if and .accelerator.count (eq .flavour "cpu") }}
- {{ $where }}.accelerator.count={{ .accelerator.count }} with flavour=cpu, whose image holds no CUDA. Set {{ $where }}.flavour=cuda.
{{- end }}
{{- if and .accelerator.type (not .accelerator.count) }}
- {{ $where }}.accelerator.type={{ .accelerator.type }} with accelerator.count=0. Set the count.
{{- end }}
{{- if ge (float64 .sharedMemoryGib) (float64 .memoryGib) }}
- {{ $where }}.sharedMemoryGib={{ .sharedMemoryGib }} leaves nothing of memoryGib={{ .memoryGib }}, of which it is a part. Lower it.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $pods := 0 }}
{{- range .Values.serving.workerGroups }}
{{- with include "tunesmith.group" (list $ .) | fromYaml }}{{ $pods = add $pods (mul .maxReplicas .numOfHosts) }}{{ end }}
{{- end }}
{{- if gt (int (.Values.config.retrieval_replicas | default 1)) (int $pods) }}
- config.retrieval_replicas={{ .Values.config.retrieval_replicas }} is more than the {{ $pods }} pods of serving.workerGroups, and each of them is on a pod of its own. Lower it, or raise maxReplicas.
{{- end }}
{{- with .Values.serving }}
{{- if and (eq .upgrade.strategy "Incremental") (not .upgrade.gatewayClassName) }}
- serving.upgrade.strategy=Incremental needs serving.upgrade.gatewayClassName. Name the GatewayClass, or choose Surge or Drain.
{{- end }}
{{- if and (eq .upgrade.strategy "Incremental") (not .upgrade.gatewayUrl) }}
- serving.upgrade.strategy=Incremental needs serving.upgrade.gatewayUrl: traffic moves at the Gateway alone. With Istio it is http://{service}-gateway-istio.{{ $.Release.Namespace }}.svc.
{{- end }}
{{- if and (eq .upgrade.strategy "Incremental") (not .autoscaler.enabled) }}
- serving.upgrade.strategy=Incremental needs serving.autoscaler.enabled=true: the new cluster grows as traffic moves.
{{- end }}
{{- end }}
{{- with .Values.priorityClasses }}
{{- if and .create (ge (int .training) (int .serving)) }}
- priorityClasses.training={{ int .training }} is not below priorityClasses.serving={{ int .serving }}, so that training would not give way. Lower it.
{{- end }}
{{- end }}
{{- if and (eq .Values.serving.upgrade.strategy "Incremental") .Values.networkPolicy.enabled (not .Values.networkPolicy.servingGateway) }}
- networkPolicy.servingGateway is empty, and serving.upgrade.strategy=Incremental has requests pass there. Name the pods of the Gateways.
{{- end }}
{{- with .Values.ray.faultTolerance }}
{{- if and .enabled (not .redis) }}
- ray.faultTolerance.enabled is true and ray.faultTolerance.redis is empty. Name a Redis as HOST:6379.
{{- end }}
{{- end }}
{{- end -}}

{{- define "tunesmith.refuse.tenants" -}}
{{- $seen := dict .Release.Namespace "the release" }}
{{- range .Values.tenants }}
{{- if hasKey $seen .namespace }}
- tenants holds the namespace {{ .namespace }}, which is {{ get $seen .namespace }}'s already. Give each tenant one of its own.
{{- end }}
{{- $_ := set $seen .namespace "another tenant" }}
{{- end }}
{{- with .Values.modelCache }}
{{- if and .enabled $.Values.tenants (not .existingClaim) }}
- modelCache.enabled with tenants needs modelCache.existingClaim: a claim of that name in each tenant's namespace. The chart makes one in the release's only.
{{- end }}
{{- end }}
{{- if and .Values.queues.enabled .Values.training.autoscaler.enabled }}
- training.autoscaler.enabled with queues.enabled: Kueue admits whole clusters and refuses one that grows. Set one of them to false.
{{- end }}
{{- if .Values.queues.enabled }}
{{- $asked := list "cpu" "memory" }}
{{- range concat (values .Values.serving.workerGroups) (values .Values.training.workerGroups) }}
{{- with (include "tunesmith.group" (list $ .) | fromYaml).accelerator }}{{ if .count }}{{ $asked = append $asked .resource }}{{ end }}{{ end }}
{{- end }}
{{- range $entry := prepend .Values.tenants (dict "namespace" "queues" "queueQuota" .Values.queues.quota) }}
{{- $resources := "" }}
{{- range $flavor, $quota := .queueQuota }}
{{- if not (hasKey $.Values.queues.flavors $flavor) }}
- the quota of {{ $entry.namespace }} names the flavor {{ $flavor }}, which queues.flavors lacks. It has {{ keys $.Values.queues.flavors | sortAlpha | join ", " }}.
{{- end }}
{{- range $resource := uniq $asked }}
{{- if not (hasKey $quota $resource) }}
- the quota of {{ $entry.namespace }} names no {{ $resource }} for the flavor {{ $flavor }}, and worker groups ask for it: Kueue would admit none of them. Name it, with "0" where there is none.
{{- end }}
{{- end }}
{{- $these := keys $quota | sortAlpha | join ", " }}
{{- if and $resources (ne $these $resources) }}
- the quota of {{ $entry.namespace }} limits {{ $these }} for {{ $flavor }} and {{ $resources }} for another flavor. Name the same resources for each, with "0" where there are none.
{{- end }}
{{- $resources = $these }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "tunesmith.refuse.settings" -}}
{{- $gpus := float64 (dig "jobs" "gpus_per_worker" 0 .Values.config) }}
{{- $held := list }}
{{- range $name, $group := .Values.training.workerGroups }}
{{- $held = append $held (float64 (include "tunesmith.group" (list $ $group) | fromYaml).accelerator.count) }}
{{- end }}
{{- if and $held (not $gpus) (not (has 0.0 $held)) }}
- training.workerGroups all have GPUs, which take no work without, and config.jobs.gpus_per_worker is not set: no fine-tuning job could run. Set it to 1, or add a group without GPUs.
{{- end }}
{{- if and $held (gt $gpus 0.0) (lt (include "tunesmith.most" $held | float64) $gpus) }}
- config.jobs.gpus_per_worker={{ $gpus }} is more than any pod of training.workerGroups holds. Lower it, or raise accelerator.count.
{{- end }}
{{- if hasKey .Values.config "milvus_uri" }}
- config.milvus_uri is set here by milvus.uri. Remove it from config.
{{- end }}
{{- if hasKey .Values.config "port" }}
- config.port is that of a laptop; in a cluster gateway.service.port counts. Remove it from config.
{{- end }}
{{- if and .Values.objects.endpoint (not (hasPrefix "s3://" .Values.objects.url)) }}
- objects.endpoint is for stores that speak S3, and objects.url={{ .Values.objects.url }} is none. Empty one of them.
{{- end }}
{{- if and .Values.tests.enabled (not .Values.bootstrap.enabled) (not .Values.bootstrap.secret) }}
- tests.enabled needs a key, and bootstrap.enabled is false. Name a Secret that holds one in bootstrap.secret, or set tests.enabled=false.
{{- end }}
{{- end -}}

{{/* What is asked for must be known to the cluster; `helm template` is told of it by --api-versions. */}}
{{- define "tunesmith.refuse.cluster" -}}
{{- $wanted := dict
      "monitoring.monitors.enabled" (list .Values.monitoring.monitors.enabled "monitoring.coreos.com/v1" "the Prometheus operator")
      "monitoring.rules.enabled" (list .Values.monitoring.rules.enabled "monitoring.coreos.com/v1" "the Prometheus operator")
      "gateway.httpRoute.enabled" (list .Values.gateway.httpRoute.enabled "gateway.networking.k8s.io/v1" "the Gateway API") -}}
{{- range $value, $need := $wanted }}
{{- if and (index $need 0) (not ($.Capabilities.APIVersions.Has (index $need 1))) }}
- {{ $value }} is true and the cluster does not know {{ index $need 1 }}. Install {{ index $need 2 }} first; without a cluster pass --api-versions {{ index $need 1 }}.
{{- end }}
{{- end }}
{{- if and .Values.queues.enabled (not (or (.Capabilities.APIVersions.Has "kueue.x-k8s.io/v1beta1") (.Capabilities.APIVersions.Has "kueue.x-k8s.io/v1beta2"))) }}
- queues.enabled is true and the cluster does not know kueue.x-k8s.io. Install Kueue first; without a cluster pass --api-versions kueue.x-k8s.io/v1beta2.
{{- end }}
{{- end -}}
