{{/* Names, labels and what all pods have in common. */}}

{{- define "hamkor.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The longest suffix, "-agreements", must still fit into a DNS label. */}}
{{- define "hamkor.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "hamkor.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "hamkor.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "hamkor.selector" -}}
app.kubernetes.io/name: {{ include "hamkor.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "hamkor.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "hamkor.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: hamkor
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* Ports by process, as shared/settings.py has them. */}}
{{- define "hamkor.ports" -}}
{portal: 8100, partners: 8101, agreements: 8102, surveys: 8103, monitoring: 8104}
{{- end -}}

{{/* Where metrics are asked for: of the portal, whose http is the public's, a port of its own. */}}
{{- define "hamkor.metricsPort" -}}
8190
{{- end -}}

{{/* Those that have a database, a stream and an inbox. */}}
{{- define "hamkor.databases" -}}
[partners, agreements, surveys, monitoring]
{{- end -}}

{{/* Who asks whom: feeds of events, API keys (partners), and the portal everybody. */}}
{{- define "hamkor.callers" -}}
partners: [agreements, surveys, monitoring, portal]
agreements: [partners, surveys, monitoring, portal]
surveys: [monitoring, portal]
monitoring: [partners, portal]
portal: []
{{- end -}}

{{- define "hamkor.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The head of a pod's spec. It sees nothing of the cluster: neither its API, nor the addresses of other Services, whose
variables (PARTNERS_PORT=tcp://…) our settings would read. */}}
{{- define "hamkor.podSpec" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext: {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "hamkor.container" -}}
image: {{ include "hamkor.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{- toYaml .Values.securityContext | nindent 2 }}
{{- end -}}

{{/* A process's secrets: variable (without _FILE) → key in the Secret, named as docker-compose.yml names its secrets. */}}
{{- define "hamkor.secrets" -}}
{{- if eq . "roles" -}}
{POSTGRES_ADMIN_PASSWORD: postgres_admin, HAMKOR_OWNER_PASSWORD: hamkor_owner, HAMKOR_APP_PASSWORD: hamkor_app}
{{- else if eq . "migrations" -}}
{{- range include "hamkor.databases" . | fromYamlArray }}
{{ upper . }}_MIGRATION_URL: {{ . }}_migration_url
{{- end }}
{{- else if eq . "topics" -}}
{}
{{- else -}}
SERVICE_CLIENT_SECRET: service_client
{{- if eq . "portal" }}
PORTAL_CLIENT_SECRET: portal_client
PORTAL_SESSION_SECRET: portal_session
{{- else }}
{{ upper . }}_DATABASE_URL: {{ . }}_database_url
{{- end }}
{{- if eq . "surveys" }}
SURVEYS_CODE_PEPPER: surveys_code_pepper
{{- end }}
{{- end }}
{{- end -}}

{{- define "hamkor.servicesSecret" -}}
{{- .Values.secrets.existing | default (include "hamkor.fullname" .) -}}
{{- end -}}

{{- define "hamkor.stepsSecret" -}}
{{- if .Values.secrets.existing -}}
{{- .Values.secrets.existingForSteps | default .Values.secrets.existing -}}
{{- else -}}
{{- include "hamkor.fullname" . }}-steps
{{- end -}}
{{- end -}}

{{/* Of (dict "root" $ "process" … "secret" …): the files that a process finds beside its image – the keys of the Secret
that it reads and no other – as mounts, as volumes, and as the part of the environment that names them. */}}
{{- define "hamkor.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if include "hamkor.secrets" .process | fromYaml }}
- {name: secrets, mountPath: /run/secrets/hamkor, readOnly: true}
{{- end }}
{{- if include "hamkor.readsAuthority" . }}
- {name: postgresql-ca, mountPath: /run/secrets/postgresql, readOnly: true}
{{- end }}
{{- if include "hamkor.kafkaSources" . | fromYamlArray }}
- {name: kafka, mountPath: /run/secrets/kafka, readOnly: true}
{{- end }}
{{- end -}}

{{- define "hamkor.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: {{ .root.Values.tmpSizeLimit }}}
{{- with include "hamkor.secrets" .process | fromYaml }}
- name: secrets
  secret:
    secretName: {{ $.secret }}
    defaultMode: 0440
    items:
      {{- range . }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
{{- end }}
{{- if include "hamkor.readsAuthority" . }}
- name: postgresql-ca
  secret:
    secretName: {{ .root.Values.postgresql.ca.secret }}
    defaultMode: 0440
    items:
      - {key: {{ .root.Values.postgresql.ca.key }}, path: ca.crt}
{{- end }}
{{- with include "hamkor.kafkaSources" . | fromYamlArray }}
- name: kafka
  projected:
    defaultMode: 0440
    sources: {{- toYaml . | nindent 6 }}
{{- end }}
{{- end -}}

{{/* PGSSL… are read by asyncpg itself. */}}
{{- define "hamkor.filesEnvironment" -}}
{{- range $variable, $key := include "hamkor.secrets" .process | fromYaml }}
- {name: {{ $variable }}_FILE, value: /run/secrets/hamkor/{{ $key }}}
{{- end }}
{{- if include "hamkor.readsDatabase" . }}
- {name: PGSSLMODE, value: {{ .root.Values.postgresql.sslMode }}}
{{- end }}
{{- if include "hamkor.readsAuthority" . }}
- {name: PGSSLROOTCERT, value: /run/secrets/postgresql/ca.crt}
{{- end }}
{{- if include "hamkor.readsKafka" . }}
{{- $security := .root.Values.kafka.security }}
- {name: KAFKA_SECURITY_PROTOCOL, value: {{ $security.protocol }}}
{{- if $security.credentials.secret }}
- {name: KAFKA_SASL_MECHANISM, value: {{ $security.mechanism }}}
- {name: KAFKA_SASL_USERNAME_FILE, value: /run/secrets/kafka/username}
- {name: KAFKA_SASL_PASSWORD_FILE, value: /run/secrets/kafka/password}
{{- end }}
{{- if or $security.ca.configMap $security.ca.secret }}
- {name: KAFKA_CA_FILE, value: /run/secrets/kafka/ca.crt}
{{- end }}
{{- with $security.clientCertificate }}
{{- if .secret }}
- {name: KAFKA_CERTIFICATE_FILE, value: /run/secrets/kafka/client.crt}
- {name: KAFKA_KEY_FILE, value: /run/secrets/kafka/client.key}
{{- if .passwordKey }}
- {name: KAFKA_KEY_PASSWORD_FILE, value: /run/secrets/kafka/client.password}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "hamkor.readsDatabase" -}}
{{- if not (has .process (list "portal" "topics")) }}true{{ end -}}
{{- end -}}

{{- define "hamkor.readsAuthority" -}}
{{- if and (include "hamkor.readsDatabase" .) .root.Values.postgresql.ca.secret }}true{{ end -}}
{{- end -}}

{{- define "hamkor.readsKafka" -}}
{{- if not (has .process (list "portal" "roles" "migrations")) }}true{{ end -}}
{{- end -}}

{{/* What of Kafka's security comes from Secrets and a ConfigMap, as the sources of one volume. */}}
{{- define "hamkor.kafkaSources" -}}
{{- if include "hamkor.readsKafka" . }}
{{- $security := .root.Values.kafka.security }}
{{- with $security.credentials }}
{{- if .secret }}
- secret:
    name: {{ .secret }}
    items:
      - {key: {{ .usernameKey }}, path: username}
      - {key: {{ .passwordKey }}, path: password}
{{- end }}
{{- end }}
{{- with $security.ca }}
{{- if or .configMap .secret }}
- {{ empty .secret | ternary "configMap" "secret" }}:
    name: {{ .secret | default .configMap }}
    items:
      - {key: {{ .key }}, path: ca.crt}
{{- end }}
{{- end }}
{{- with $security.clientCertificate }}
{{- if .secret }}
- secret:
    name: {{ .secret }}
    items:
      - {key: {{ .certificateKey }}, path: client.crt}
      - {key: {{ .keyKey }}, path: client.key}
      {{- if .passwordKey }}
      - {key: {{ .passwordKey }}, path: client.password}
      {{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
