//! `pool create|list|show|set`.

use pooler_filter::PoolId;

use super::{Backend, Find, Who};
use crate::admin::command::PoolChange;
use crate::admin::reply::{PoolRow, Refusal, Reply};
use crate::admin::time::rfc3339;
use crate::store::records::{PoolRecord, PoolSettings, PoolStatus};
use crate::store::{ControlOp, Snapshot};

impl Backend {
    pub(super) async fn pool_create(&self, slug: &str, name: Option<String>, who: &Who) -> Result<Vec<Reply>, Refusal> {
        let slug = slug.trim().to_ascii_lowercase();
        let pool = PoolRecord {
            id: PoolId::generate(),
            name: name.unwrap_or_else(|| slug.clone()),
            slug,
            status: PoolStatus::Active,
            settings: PoolSettings::default(),
            created_at: self.parts.clock.now(),
            version: 0,
        };
        let decide = |_: &Snapshot| Ok((ControlOp::PutPool(pool.clone()).into(), pool.id));
        let (id, warnings) = self.change(who, decide).await?;
        self.show(id, warnings).await
    }

    pub(super) async fn pool_list(&self) -> Result<Vec<Reply>, Refusal> {
        let snapshot = self.load().await?;
        let mut rows: Vec<PoolRow> = snapshot.pools.iter().map(|pool| row(pool, &snapshot)).collect();
        rows.sort_by(|a, b| a.slug.cmp(&b.slug));
        Ok(rows.into_iter().map(Reply::Pool).collect())
    }

    pub(super) async fn pool_show(&self, pool: &str) -> Result<Vec<Reply>, Refusal> {
        let snapshot = self.load().await?;
        Ok(vec![Reply::Pool(row(snapshot.pool(pool)?, &snapshot))])
    }

    pub(super) async fn pool_set(&self, pool: &str, change: &PoolChange, who: &Who) -> Result<Vec<Reply>, Refusal> {
        if *change == PoolChange::default() {
            return Err(Refusal::new("invalid", "there is nothing to change"));
        }
        let decide = |snapshot: &Snapshot| {
            let mut pool = snapshot.pool(pool)?.clone();
            apply(change, &mut pool);
            let id = pool.id;
            Ok((ControlOp::PutPool(pool).into(), id))
        };
        let (id, warnings) = self.change(who, decide).await?;
        self.show(id, warnings).await
    }

    async fn show(&self, id: PoolId, warnings: Vec<Reply>) -> Result<Vec<Reply>, Refusal> {
        let mut replies = self.pool_show(&id.to_string()).await?;
        replies.extend(warnings);
        Ok(replies)
    }
}

fn apply(change: &PoolChange, pool: &mut PoolRecord) {
    let PoolChange { name, status, v1_compatibility, images, ring_size, prompt_cache_affinity } = change;
    if let Some(name) = name {
        pool.name.clone_from(name);
    }
    pool.status = status.unwrap_or(pool.status);
    let settings = &mut pool.settings;
    settings.v1_compatibility_enabled = v1_compatibility.unwrap_or(settings.v1_compatibility_enabled);
    settings.allow_image_generation = images.unwrap_or(settings.allow_image_generation);
    settings.bridge_ring_size = ring_size.unwrap_or(settings.bridge_ring_size);
    settings.prompt_cache_affinity_enabled = prompt_cache_affinity.unwrap_or(settings.prompt_cache_affinity_enabled);
}

fn row(pool: &PoolRecord, snapshot: &Snapshot) -> PoolRow {
    PoolRow {
        id: pool.id.to_string(),
        slug: pool.slug.clone(),
        name: pool.name.clone(),
        status: pool.status.to_string(),
        v1_compatibility: pool.settings.v1_compatibility_enabled,
        images: pool.settings.allow_image_generation,
        ring_size: pool.settings.bridge_ring_size,
        prompt_cache_affinity: pool.settings.prompt_cache_affinity_enabled,
        keys: snapshot.keys.iter().filter(|key| key.pool == pool.id).count(),
        accounts: snapshot.assignments.iter().filter(|a| a.pool == pool.id).count(),
        created_at: rfc3339(pool.created_at),
    }
}
