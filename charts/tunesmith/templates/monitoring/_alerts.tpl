{{/* One alert for each page of docs/runbooks, under the same name. */}}
{{- define "tunesmith.alerts" -}}
{{- $name := include "tunesmith.fullname" . -}}
{{- $here := printf "namespace=%q" .Release.Namespace -}}
{{- $ray := printf "namespace=~%q" (join "|" (include "tunesmith.monitored" (list . "training") | fromJsonArray)) -}}
- alert: TunesmithGatewayDown
  for: 2m
  severity: critical
  summary: No gateway answers; every request fails.
  expr: kube_deployment_status_replicas_available{ {{- $here }}, deployment="{{ $name }}-gateway"} == 0
- alert: TunesmithRequestsFail
  for: 5m
  severity: critical
  summary: More than 5% of the requests end in a server error.
  expr: sum(rate(tunesmith_requests_total{ {{- $here }}, status=~"5.."}[5m])) / sum(rate(tunesmith_requests_total{ {{- $here }}}[5m])) > 0.05
- alert: TunesmithFirstTokenSlow
  for: 10m
  severity: warning
  summary: One streamed answer in twenty waits longer than 10 s for its first token.
  expr: histogram_quantile(0.95, sum by (le) (rate(tunesmith_time_to_first_token_seconds_bucket{ {{- $here }}}[10m]))) > 10
- alert: TunesmithServiceNotReady
  for: 10m
  severity: critical
  summary: The RayService {{ "{{ $labels.name }}" }} has not been ready for ten minutes.
  expr: kuberay_service_condition_ready{ {{- $here }}, condition="false", name=~"{{ $name }}-.*"} == 1
- alert: TunesmithUpgradeStuck
  for: 45m
  severity: warning
  summary: The RayService {{ "{{ $labels.name }}" }} has been in an upgrade for 45 minutes and holds two clusters.
  expr: kuberay_service_condition_upgrade_in_progress{ {{- $here }}, condition="true", name=~"{{ $name }}-.*"} == 1
- alert: TunesmithControllerDown
  for: 5m
  severity: critical
  summary: No controller runs; jobs neither start nor end, and nothing that dies is made anew.
  expr: kube_deployment_status_replicas_available{ {{- $here }}, deployment="{{ $name }}-controller"} == 0
{{- if .Values.indexer.enabled }}
- alert: TunesmithIndexerDown
  for: 5m
  severity: warning
  summary: No indexer runs; files that are attached to vector stores stay in_progress.
  expr: kube_deployment_status_replicas_available{ {{- $here }}, deployment="{{ $name }}-indexer"} == 0
{{- end }}
- alert: TunesmithJobsFail
  for: 5m
  severity: warning
  summary: More than two training attempts failed within an hour.
  # Counted in the database: each gateway tells the same.
  expr: max(sum without (outcome) (increase(tunesmith_job_attempts_total{ {{- $here }}, outcome=~"failed|lost"}[1h]))) > 2
- alert: TunesmithPodPending
  for: 15m
  severity: warning
  summary: The pod {{ "{{ $labels.pod }}" }} has waited 15 minutes for a node.
  # By namespace alone: pods of attempts bear their job's name, and KubeRay cuts long names at the front.
  expr: kube_pod_status_unschedulable{ {{- $ray }}} == 1
- alert: TunesmithOutOfMemory
  for: 0m
  severity: warning
  summary: The container {{ "{{ $labels.container }}" }} of {{ "{{ $labels.pod }}" }} was killed for its memory.
  # Ray's pods do not restart under its autoscaler: there the container has ended, and no other one has come.
  expr: kube_pod_container_status_terminated_reason{ {{- $ray }}, reason="OOMKilled"} == 1 or (kube_pod_container_status_last_terminated_reason{ {{- $ray }}, reason="OOMKilled"} == 1 and on (namespace, pod, container) increase(kube_pod_container_status_restarts_total{ {{- $ray }}}[15m]) > 0)
- alert: TunesmithMigrationFailed
  for: 0m
  severity: critical
  summary: The database's schema could not be brought up to date; the release was not upgraded.
  expr: kube_job_status_failed{ {{- $here }}, job_name="{{ $name }}-migration"} > 0
- alert: TunesmithModelCacheFull
  for: 15m
  severity: warning
  summary: The model cache has less than a tenth of its space left.
  expr: kubelet_volume_stats_available_bytes{ {{- $here }}, persistentvolumeclaim="{{ include "tunesmith.modelCache.claim" . }}"} / kubelet_volume_stats_capacity_bytes{ {{- $here }}} < 0.1
{{- end -}}
