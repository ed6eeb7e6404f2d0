{{/*
(check, ...): annotations of a workload by which a scanner of policies knows what does not apply to it, and why. What values
mend, such as images by digest, is not excused.
*/}}
{{- define "tunesmith.excuses" -}}
{{- $why := dict
      "CKV_K8S_8" "it runs to its end"
      "CKV_K8S_9" "nothing sends it requests"
      "CKV_K8S_35" "the programs and the stores' official clients read credentials there, and a file would be as readable to them"
      "CKV_K8S_38" "it asks the Kubernetes API, with a Role that a test compares with what it does" -}}
annotations:
  {{- range $index, $check := . }}
  checkov.io/skip{{ add1 $index }}: {{ $check }}={{ get $why $check }}
  {{- end }}
{{- end -}}
