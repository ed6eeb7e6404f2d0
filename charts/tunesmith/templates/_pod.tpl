{{/*
One pod for every part: closed by default, writable where programs must write and nowhere else.

    root       the chart's scope
    part       component in the labels: gateway, controller, indexer, migration, bootstrap, serving, training, test
    values     the part's own `pod`, laid over `.Values.pod`
    container  what is peculiar to it: name, flavour, needs (of `_environment.tpl`), command, ports, probes, resources, ...;
               and of its pod: annotations, serviceAccountName, restartPolicy, scratch, sharedMemory, modelCache, volumes
*/}}
{{- define "tunesmith.pod" -}}
{{- $root := .root -}}{{- $own := .container -}}
{{- $pod := mergeOverwrite (deepCopy $root.Values.pod) (deepCopy .values) -}}
{{- $resources := $own.resources | default $pod.resources -}}
{{- $objects := include "tunesmith.objects.folder" (list $root $own.needs) -}}
metadata:
  labels:
    {{- include "tunesmith.selectorLabels" (list $root .part) | nindent 4 }}
    app.kubernetes.io/part-of: tunesmith
    {{- with $pod.labels }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- with merge (deepCopy $pod.annotations) ($own.annotations | default dict) }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with $own.serviceAccountName }}
  serviceAccountName: {{ . }}
  {{- end }}
  automountServiceAccountToken: {{ $own.token | default false }}
  enableServiceLinks: false
  {{- with $own.restartPolicy }}
  restartPolicy: {{ . }}
  {{- end }}
  terminationGracePeriodSeconds: {{ int $pod.terminationGracePeriodSeconds }}
  securityContext: {{- toYaml $root.Values.podSecurityContext | nindent 4 }}
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with include "tunesmith.priorityClass" (list $root .part $pod) }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- range $key := list "runtimeClassName" "nodeSelector" "affinity" }}
  {{- with get $pod $key }}
  {{ $key }}: {{- if kindIs "string" . }} {{ . }}{{ else }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- end }}
  {{- end }}
  {{- with concat $pod.tolerations ($own.tolerations | default list) }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $pod.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range . }}
    - {{- toYaml (merge (deepCopy .) (dict "labelSelector" (dict "matchLabels" (include "tunesmith.selectorLabels" (list $root $.part) | fromYaml)))) | nindent 6 }}
    {{- end }}
  {{- end }}
  containers:
    - name: {{ $own.name }}
      image: {{ include "tunesmith.image" (list $root ($own.flavour | default "cpu")) }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      {{- with $own.command }}
      command: {{ toJson . }}
      {{- end }}
      securityContext: {{- toYaml $root.Values.securityContext | nindent 8 }}
      # What it printed last stands in its status: there `tunesmith deploy install` reads why it ended.
      terminationMessagePolicy: FallbackToLogsOnError
      env:
        {{- $given := list }}
        {{- range $pod.env }}{{ $given = append $given .name }}{{ end }}
        {{- range concat (include "tunesmith.environment" (list $root $own.needs) | fromYamlArray) ($own.env | default list) }}
        {{- if not (has .name $given) }}
        - {{- toYaml . | nindent 10 }}
        {{- end }}
        {{- end }}
        {{- with $pod.env }}{{ toYaml . | nindent 8 }}{{ end }}
      {{- with concat (include "tunesmith.environmentFrom" (list $root $own.needs) | fromYamlArray) $pod.envFrom }}
      envFrom: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- range $key := list "ports" "startupProbe" "readinessProbe" "livenessProbe" "lifecycle" }}
      {{- with get $own $key }}
      {{ $key }}: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
      {{- with $resources }}
      resources: {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        - {name: home, mountPath: {{ include "tunesmith.home" . }}}
        {{- if $own.sharedMemory }}
        - {name: shared-memory, mountPath: /dev/shm}
        {{- end }}
        {{- if and $own.modelCache $root.Values.modelCache.enabled }}
        - {{ include "tunesmith.modelCache.mount" (list $root .part) }}
        {{- end }}
        {{- with $objects }}
        - {name: objects, mountPath: {{ . }}}
        {{- end }}
        {{- with concat ($own.volumeMounts | default list) $pod.volumeMounts }}{{ toYaml . | nindent 8 }}{{ end }}
  volumes:
    - {name: tmp, emptyDir: {{ toJson ($own.scratch | default dict) }}}
    - {name: home, emptyDir: {{ toJson ($own.scratch | default dict) }}}
    {{- with $own.sharedMemory }}
    - {name: shared-memory, emptyDir: {medium: Memory, sizeLimit: {{ . }}}}
    {{- end }}
    {{- if and $own.modelCache $root.Values.modelCache.enabled }}
    - name: model-cache
      persistentVolumeClaim: {claimName: {{ include "tunesmith.modelCache.claim" $root }}}
    {{- end }}
    {{- if $objects }}
    - {name: objects, persistentVolumeClaim: {claimName: {{ $root.Values.objects.claim }}}}
    {{- end }}
    {{- with concat ($own.volumes | default list) $pod.volumes }}{{ toYaml . | nindent 4 }}{{ end }}
{{- end -}}

{{/*
(root, part, pod): the class that is named, else the one made for its plane. Hooks have none of those: the first install runs
them before it makes the classes, and a pod of a class that is not there is refused.
*/}}
{{- define "tunesmith.priorityClass" -}}
{{- $root := index . 0 -}}{{- $part := index . 1 -}}
{{- if (index . 2).priorityClassName -}}
{{- (index . 2).priorityClassName -}}
{{- else if and $root.Values.priorityClasses.create (not (has $part (list "migration" "bootstrap"))) -}}
{{- include "tunesmith.fullname" $root }}-{{ has $part (list "serving" "training") | ternary $part "control" -}}
{{- end -}}
{{- end -}}
