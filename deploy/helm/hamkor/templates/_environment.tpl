{{/* Of (dict "root" $ "process" …): the settings of a service's process (shared/settings.py, services/portal/settings.py). */}}
{{- define "hamkor.environment" -}}
{{- $values := .root.Values -}}
{{- $own := index $values.services .process -}}
{{- $ports := include "hamkor.ports" . | fromYaml -}}
{{- $prefix := upper .process -}}
- {name: {{ $prefix }}_HOST, value: 0.0.0.0}
- {name: {{ $prefix }}_PORT, value: {{ index $ports .process | quote }}}
{{- range $name := include "hamkor.databases" . | fromYamlArray }}
- {name: {{ upper $name }}_URL, value: {{ printf "http://%s-%s:%v" (include "hamkor.fullname" $.root) $name (index $ports $name) }}}
{{- end }}
- {name: PORTAL_URL, value: {{ $values.publicUrl | quote }}}
- {name: AUTH_ISSUER, value: {{ $values.oidc.issuer | quote }}}
- {name: AUTH_JWKS_URL, value: {{ $values.oidc.jwksUrl | quote }}}
- {name: AUTH_TOKEN_URL, value: {{ $values.oidc.tokenUrl | quote }}}
- {name: AUTH_AUDIENCE, value: {{ $values.oidc.audience | quote }}}
- {name: SERVICE_CLIENT_ID, value: {{ $values.oidc.serviceClient | quote }}}
- {name: LOG_LEVEL, value: {{ $values.logLevel }}}
- {name: LOG_FORMAT, value: json}
{{- if eq .process "portal" }}
- {name: PORTAL_METRICS_PORT, value: {{ include "hamkor.metricsPort" . | quote }}}
- {name: PORTAL_EMBEDDED_ISSUER, value: "false"}
- {name: PORTAL_CLIENT_ID, value: {{ $values.oidc.portalClient | quote }}}
{{- with $values.oidc.discoveryUrl }}
- {name: AUTH_DISCOVERY_URL, value: {{ . | quote }}}
{{- end }}
{{- else }}
- {name: KAFKA_BOOTSTRAP_SERVERS, value: {{ $values.kafka.bootstrapServers | quote }}}
- {name: KAFKA_EMBEDDED, value: "false"}
- {name: {{ $prefix }}_DATABASE_POOL, value: {{ $own.databasePool | quote }}}
- {name: PRIVACY_K, value: {{ $values.privacyK | quote }}}
{{- end }}
{{- if eq .process "surveys" }}
- {name: SURVEYS_INTERVIEW_DAYS, value: {{ $own.interviewDays | quote }}}
{{- end }}
{{- include "hamkor.filesEnvironment" . }}
{{- end -}}
