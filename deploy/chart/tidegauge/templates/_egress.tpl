{{/* Port of a URL: its own, else that of its scheme. */}}
{{- define "tidegauge.portOf" -}}
{{- $url := urlParse . -}}
{{- $own := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- default (ternary "443" "80" (eq $url.scheme "https")) $own -}}
{{- end -}}

{{/* TCP ports that the server's values name, as a JSON list of texts. */}}
{{- define "tidegauge.serverPorts" -}}
{{- $server := .Values.server -}}
{{- $urls := concat (list $server.prometheusUrl $server.otlpForward.endpoint) $server.alertmanagerUrls -}}
{{- range $server.scrape -}}
{{- $urls = append $urls (kindIs "map" . | ternary (get (kindIs "map" . | ternary . dict) "url") .) -}}
{{- end -}}
{{- $ports := list -}}
{{- if or $server.readCluster .Values.execution.enabled -}}
{{- $ports = list "443" "6443" -}}
{{- end -}}
{{- range $server.receivers -}}
{{- if eq .kind "mail" -}}
{{- $ports = append $ports (toString (int (default 587 .port))) -}}
{{- else -}}
{{- $urls = append $urls (default (default "https://secret" .url) .proxy) -}}
{{- end -}}
{{- end -}}
{{- range without $urls "" -}}
{{- $ports = append $ports (include "tidegauge.portOf" .) -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}
