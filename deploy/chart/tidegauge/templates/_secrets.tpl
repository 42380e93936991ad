{{/* Existing Secrets that a role reads files of, as a JSON list; call with the role's dict. */}}
{{- define "tidegauge.moreSecrets" -}}
{{- $values := .values -}}
{{- $names := $values.secrets | default list -}}
{{- with $values.access -}}
{{- $names = concat $names (list .token.secret .ca.secret .certificate) -}}
{{- end -}}
{{- with $values.otlpForward -}}
{{- $names = concat $names (list .token.secret .ca.secret) -}}
{{- end -}}
{{- without $names "" | uniq | toJson -}}
{{- end -}}

{{/* Where a key of such a Secret is found; call with (dict "secret" "name" "key" "key"). */}}
{{- define "tidegauge.secretFile" -}}
/run/secrets/tidegauge/more/{{ .secret }}/{{ .key }}
{{- end -}}

{{/* Settings of how pages are entered, as YAML; call with the values of `access`. */}}
{{- define "tidegauge.accessSettings" -}}
scrape_insecure: {{ .insecure }}
scrape_redirects: {{ .redirects }}
timeout_seconds: {{ .timeoutSeconds }}
max_page_mib: {{ .maxPageMib }}
{{- if .token.secret }}
scrape_token_file: {{ include "tidegauge.secretFile" .token }}
{{- end }}
{{- if .ca.secret }}
scrape_ca_file: {{ include "tidegauge.secretFile" .ca }}
{{- end }}
{{- if .certificate }}
scrape_cert_file: {{ include "tidegauge.secretFile" (dict "secret" .certificate "key" "tls.crt") }}
scrape_key_file: {{ include "tidegauge.secretFile" (dict "secret" .certificate "key" "tls.key") }}
{{- end }}
{{- end -}}

{{/* Settings of what is sent on, as YAML; call with the values of `otlpForward`. */}}
{{- define "tidegauge.forwardSettings" -}}
endpoint: {{ .endpoint | quote }}
protocol: {{ .protocol }}
headers: {{ .headers | quote }}
content: {{ .content }}
{{- if .token.secret }}
token_file: {{ include "tidegauge.secretFile" .token }}
{{- end }}
{{- if .ca.secret }}
ca_file: {{ include "tidegauge.secretFile" .ca }}
{{- end }}
{{- end -}}
