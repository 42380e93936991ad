{{/* What each class of actions may do, and nothing beside: RBAC rules by class, as YAML. */}}
{{- define "tidegauge.executionRights" -}}
pods:
  - apiGroups: [""]
    resources: [pods]
    verbs: [get, patch]
  - apiGroups: [""]
    resources: [pods/eviction]
    verbs: [create]
scale:
  - apiGroups: [apps]
    resources: [deployments/scale]
    verbs: [get, patch]
rollouts:
  - apiGroups: [apps]
    resources: [deployments]
    verbs: [get, patch]
  - apiGroups: [apps]
    resources: [replicasets]
    verbs: [list]
nodes:
  - apiGroups: [""]
    resources: [nodes]
    verbs: [get, patch]
autoscalers:
  - apiGroups: [autoscaling]
    resources: [horizontalpodautoscalers]
    verbs: [get, patch]
{{- end -}}

{{/* Classes that are switched on, as a JSON list. */}}
{{- define "tidegauge.executionClasses" -}}
{{- $found := list -}}
{{- if .Values.execution.enabled -}}
{{- range $class, $on := .Values.execution.classes -}}
{{- if $on -}}
{{- $found = append $found $class -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $found | sortAlpha | toJson -}}
{{- end -}}

{{/* The section `execution` of the server's settings, as YAML. */}}
{{- define "tidegauge.executionSettings" -}}
enabled: true
people:
  {{- range .Values.execution.people.names }}
  {{ . | quote }}: /run/secrets/tidegauge/people/{{ . }}
  {{- end }}
{{- with include "tidegauge.executionClasses" . | fromJsonArray }}
accounts:
  {{- range . }}
  {{ . }}: /run/secrets/tidegauge/execution/{{ . }}/token
  {{- end }}
ca_file: /run/secrets/tidegauge/execution/{{ first . }}/ca.crt
{{- end }}
{{- end -}}

{{- define "tidegauge.executionMounts" -}}
{{- if and (eq .role "server") .root.Values.execution.enabled }}
- name: people
  mountPath: /run/secrets/tidegauge/people
  readOnly: true
{{- range include "tidegauge.executionClasses" .root | fromJsonArray }}
- name: execute-{{ . }}
  mountPath: /run/secrets/tidegauge/execution/{{ . }}
  readOnly: true
{{- end }}
{{- end }}
{{- end -}}

{{- define "tidegauge.executionVolumes" -}}
{{- if and (eq .role "server") .root.Values.execution.enabled }}
- name: people
  secret:
    secretName: {{ required "execution.people.secret: name the Secret that holds a token for each person" .root.Values.execution.people.secret }}
    defaultMode: 0440
{{- range include "tidegauge.executionClasses" .root | fromJsonArray }}
- name: execute-{{ . }}
  secret:
    secretName: {{ include "tidegauge.fullname" $.root }}-execute-{{ . }}
    defaultMode: 0440
    items:
      - {key: token, path: token}
      - {key: ca.crt, path: ca.crt}
{{- end }}
{{- end }}
{{- end -}}
