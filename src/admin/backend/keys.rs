//! `key create|list|revoke`.

use pooler_filter::{KeyId, Timestamp};

use super::{Backend, Find, Who};
use crate::admin::reply::{KeyRow, NewKey, Refusal, Reply};
use crate::admin::time::rfc3339;
use crate::store::records::{KeyPolicy, KeyRecord, KeyStatus};
use crate::store::{ControlOp, Snapshot};

impl Backend {
    pub(super) async fn key_create(
        &self,
        pool: &str,
        name: &str,
        expires_at: Option<Timestamp>,
        models: Option<Vec<String>>,
        who: &Who,
    ) -> Result<Vec<Reply>, Refusal> {
        let now = self.parts.clock.now();
        if expires_at.is_some_and(|end| end <= now) {
            return Err(Refusal::new("invalid", "the key would have ended already"));
        }
        let allowed_models = models.map(|models| models.iter().map(|m| model_id(m)).collect()).transpose()?;
        let made = self.parts.peppers.generate()?;
        let record = KeyRecord {
            id: made.id,
            pool: self.load().await?.pool(pool)?.id,
            name: name.trim().to_owned(),
            status: KeyStatus::Active,
            expires_at,
            created_at: now,
            digest: made.digest,
            pepper_id: made.pepper_id,
            epoch: 0,
            policy: KeyPolicy { allowed_models },
            version: 0,
        };
        let decide = |snapshot: &Snapshot| {
            let row = row(&record, snapshot);
            Ok((ControlOp::PutKey(record.clone()).into(), row))
        };
        let (row, warnings) = self.change(who, decide).await?;
        let key = Reply::NewKey(NewKey { key: made.text, row });
        Ok([key].into_iter().chain(warnings).collect())
    }

    pub(super) async fn key_list(&self, pool: Option<&str>) -> Result<Vec<Reply>, Refusal> {
        let snapshot = self.load().await?;
        let pool = pool.map(|pool| snapshot.pool(pool).map(|p| p.id)).transpose()?;
        let mut keys: Vec<&KeyRecord> = snapshot.keys.iter().filter(|k| pool.is_none_or(|p| k.pool == p)).collect();
        keys.sort_by_key(|key| key.created_at);
        Ok(keys.into_iter().map(|key| Reply::Key(row(key, &snapshot))).collect())
    }

    pub(super) async fn key_revoke(&self, key: &str, who: &Who) -> Result<Vec<Reply>, Refusal> {
        let decide = |snapshot: &Snapshot| {
            let mut key = snapshot.key(key)?.clone();
            if key.status == KeyStatus::Revoked {
                return Err(Refusal::new("conflict", "the key is revoked already"));
            }
            key.status = KeyStatus::Revoked;
            // Work that began under the old epoch is refused from here on.
            key.epoch = key.epoch.saturating_add(1);
            let id: KeyId = key.id.clone();
            Ok((ControlOp::PutKey(key).into(), id))
        };
        let (id, warnings) = self.change(who, decide).await?;
        let snapshot = self.load().await?;
        let row = Reply::Key(row(snapshot.key(id.as_str())?, &snapshot));
        Ok([row].into_iter().chain(warnings).collect())
    }
}

/// Model ids of a policy are in lower case, without blanks.
fn model_id(text: &str) -> Result<String, Refusal> {
    let id = text.trim().to_lowercase();
    if id.is_empty() || id.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Refusal::new("invalid", "the id of a model has no blanks and no control characters"));
    }
    Ok(id)
}

fn row(key: &KeyRecord, snapshot: &Snapshot) -> KeyRow {
    let pool = snapshot.pools.iter().find(|pool| pool.id == key.pool);
    KeyRow {
        id: key.id.to_string(),
        name: key.name.clone(),
        pool: pool.map_or_else(|| key.pool.to_string(), |pool| pool.slug.clone()),
        status: key.status.to_string(),
        expires_at: key.expires_at.map(rfc3339),
        models: key.policy.allowed_models.clone(),
        created_at: rfc3339(key.created_at),
    }
}
