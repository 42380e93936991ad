{{/* What the pods of every role have in common; call with (dict "root" $ "role" "server" "values" .Values.server). */}}
{{- define "tidegauge.podMetadata" -}}
labels:
  {{- include "tidegauge.labels" . | nindent 2 }}
annotations:
  # a changed configuration restarts the pods that read it
  checksum/config: {{ include (print .root.Template.BasePath "/config.yaml") .root | sha256sum }}
{{- end -}}

{{- define "tidegauge.podSpec" -}}
serviceAccountName: {{ include "tidegauge.fullname" .root }}-{{ .role }}
automountServiceAccountToken: {{ or (and (eq .role "agent") .root.Values.agent.readPods) (and (eq .role "server") .root.Values.server.readCluster) }}
# Kubernetes would set TIDEGAUGE_… variables for our own services, which are no settings of ours.
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- if and (eq .role "agent") .root.Values.agent.podResources }}
  runAsUser: 0
  runAsGroup: 0
  {{- else }}
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  {{- end }}
  fsGroup: 10001
  {{- if and (eq .role "agent") .root.Values.agent.kernelLog.group }}
  supplementalGroups: [{{ .root.Values.agent.kernelLog.group }}]
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "tidegauge.containerBasics" -}}
image: {{ include "tidegauge.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
resources:
  {{- toYaml .values.resources | nindent 2 }}
{{- end -}}

{{- define "tidegauge.mounts" -}}
- name: config
  mountPath: /etc/tidegauge
  readOnly: true
- name: token
  mountPath: /run/secrets/tidegauge/token
  readOnly: true
- name: scratch
  mountPath: /tmp
{{- range $number, $secret := include "tidegauge.moreSecrets" . | fromJsonArray }}
- name: more-{{ $number }}
  mountPath: /run/secrets/tidegauge/more/{{ $secret }}
  readOnly: true
{{- end }}
{{- if and (eq .role "server") .root.Values.tls.existingSecret }}
- name: tls
  mountPath: /run/secrets/tidegauge/tls
  readOnly: true
{{- end }}
{{- include "tidegauge.executionMounts" . }}
{{- end -}}

{{- define "tidegauge.volumes" -}}
- name: config
  configMap:
    name: {{ include "tidegauge.fullname" .root }}-config
    items:
      - key: {{ .role }}.yaml
        path: tidegauge.yaml
      {{- if and (eq .role "server") .root.Values.server.prices }}
      - key: prices.yaml
        path: prices.yaml
      {{- end }}
- name: token
  secret:
    secretName: {{ include "tidegauge.tokenSecret" .root }}
    defaultMode: 0440
    items:
      - key: {{ .root.Values.token.key }}
        path: token
- name: scratch
  emptyDir: {}
{{- range $number, $secret := include "tidegauge.moreSecrets" . | fromJsonArray }}
- name: more-{{ $number }}
  secret:
    secretName: {{ $secret }}
    defaultMode: 0440
{{- end }}
{{- if and (eq .role "server") .root.Values.tls.existingSecret }}
- name: tls
  secret:
    secretName: {{ .root.Values.tls.existingSecret }}
    defaultMode: 0440
{{- end }}
{{- include "tidegauge.executionVolumes" . }}
{{- end -}}
