//! The file as written: every key optional, values as text and numbers with their places. An unknown key is a mistake.

use serde::Deserialize;
use toml::Spanned;

pub(super) type Text = Option<Spanned<String>>;
pub(super) type Number = Option<Spanned<u64>>;
pub(super) type Switch = Option<bool>;

/// All but `[[chain]]`, which is taken out before: the filters read their tables themselves.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) gateway: Gateway,
    pub(super) operations: Operations,
    pub(super) data: Data,
    pub(super) backup: Backup,
    pub(super) limits: Limits,
    pub(super) upstream: Upstream,
    pub(super) commit: Commit,
    pub(super) sse: Sse,
    pub(super) websocket: Websocket,
    pub(super) routing: Routing,
    pub(super) ledger: Ledger,
    pub(super) files: Files,
    pub(super) accounts: Accounts,
    pub(super) catalog: Catalog,
    pub(super) quota: Quota,
    pub(super) models: Option<Spanned<Vec<Model>>>,
    pub(super) secrets: Secrets,
    pub(super) log: Log,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Gateway {
    pub(super) listen: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) threads: Number,
    pub(super) shutdown_grace: Text,
    pub(super) keep_alive: Text,
    pub(super) write_timeout: Text,
    pub(super) write_min_rate: Text,
    pub(super) h2c: Switch,
    pub(super) certificate_watch: Text,
    pub(super) tls: Vec<Tls>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) listen: Spanned<Vec<Spanned<String>>>,
    pub(super) certificate: Spanned<String>,
    pub(super) key: Spanned<String>,
}

impl Tls {
    pub(super) fn places(&self) -> super::TlsPlaces {
        super::TlsPlaces { certificate: self.certificate.span(), key: self.key.span() }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Operations {
    pub(super) enabled: Switch,
    pub(super) listen: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Data {
    pub(super) dir: Text,
    pub(super) min_free: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Backup {
    pub(super) interval: Text,
    pub(super) keep: Number,
    pub(super) dir: Text,
    pub(super) restore_damaged: Switch,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) head_timeout: Text,
    pub(super) max_head: Text,
    pub(super) max_header_fields: Number,
    pub(super) body_idle_timeout: Text,
    pub(super) body_min_rate: Text,
    pub(super) body_time: Text,
    pub(super) max_body: Text,
    pub(super) max_compressed: Text,
    pub(super) max_ratio: Number,
    pub(super) zstd_window: Text,
    pub(super) body_memory: Text,
    pub(super) body_memory_wait: Text,
    pub(super) admission: AdmissionLimits,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AdmissionLimits {
    pub(super) http: Admission,
    pub(super) stream: Admission,
    pub(super) websocket: Admission,
    pub(super) compact: Admission,
    pub(super) files: Admission,
    pub(super) audio: Admission,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Admission {
    pub(super) running: Number,
    pub(super) queued: Number,
    pub(super) wait: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Upstream {
    pub(super) connect_timeout: Text,
    pub(super) idle_timeout: Text,
    pub(super) pool_idle: Text,
    pub(super) resolve_ttl: Text,
    pub(super) originator: Text,
    pub(super) user_agent: Text,
    pub(super) version: Text,
    pub(super) max_response: Text,
    pub(super) max_block: Text,
    pub(super) max_terminal_block: Text,
}

impl Upstream {
    /// What is written of our identity, for the filter that puts it on translated requests.
    pub(super) fn identity(&self) -> Vec<(&'static str, Spanned<String>)> {
        let keys = [("originator", &self.originator), ("user_agent", &self.user_agent), ("version", &self.version)];
        keys.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))).collect()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Commit {
    pub(super) commit_deadline: Text,
    pub(super) silent_commit: Text,
    pub(super) held_events: Number,
    pub(super) held_bytes: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Sse {
    pub(super) keep_alive: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Websocket {
    pub(super) idle_timeout: Text,
    pub(super) lifetime: Text,
    pub(super) ping: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Routing {
    pub(super) demotion: Text,
    pub(super) affinity_ttl: Text,
    pub(super) affinity_entries: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Ledger {
    pub(super) retention_days: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Files {
    pub(super) max_size: Text,
    pub(super) ttl: Text,
    pub(super) upload_timeout: Text,
    pub(super) finalize_timeout: Text,
    pub(super) upload_origins: Option<Vec<Spanned<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Accounts {
    pub(super) refresh_skew: Text,
    pub(super) refresh_jitter: Text,
    pub(super) refresh_timeout: Text,
    pub(super) issuer: Text,
    pub(super) origin: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Catalog {
    pub(super) sync: Switch,
    pub(super) interval: Text,
    pub(super) client_version: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Quota {
    pub(super) sync: Switch,
    pub(super) interval: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Model {
    pub(super) id: Spanned<String>,
    pub(super) upstream_id: Text,
    pub(super) display_name: Text,
    pub(super) context_window: Number,
    pub(super) effective_context_percent: Number,
    pub(super) input_modalities: Option<Vec<String>>,
    pub(super) supports_streaming: Switch,
    pub(super) supports_tools: Switch,
    pub(super) supports_reasoning: Switch,
    pub(super) supports_reasoning_summary: Switch,
    pub(super) service_tiers: Option<Vec<String>>,
    pub(super) created: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Secrets {
    pub(super) keys: Vec<Spanned<SecretKey>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretKey {
    pub(super) id: Spanned<String>,
    pub(super) file: Text,
    pub(super) env: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Log {
    pub(super) filter: Text,
    pub(super) format: Text,
}
