//! `models`.

use std::collections::HashMap;

use pooler_filter::AccountId;

use super::{Backend, Find};
use crate::admin::reply::{ModelRow, Refusal, Reply};
use crate::catalog::Offer;
use crate::store::Snapshot;
use crate::store::records::PoolRecord;

impl Backend {
    pub(super) async fn model_list(&self, pool: Option<&str>) -> Result<Vec<Reply>, Refusal> {
        let snapshot = self.load().await?;
        let pool = pool.map(|pool| snapshot.pool(pool).map(|p| p.id)).transpose()?;
        let mut pools: Vec<&PoolRecord> = snapshot.pools.iter().filter(|p| pool.is_none_or(|id| id == p.id)).collect();
        pools.sort_by(|a, b| a.slug.cmp(&b.slug));
        let labels = labels(&snapshot);
        let rows = pools.into_iter().flat_map(|pool| {
            let models = self.parts.catalog.pool(pool.id);
            let offered = models.offers.iter().map(|offer| row(pool, offer, &labels));
            let rows: Vec<ModelRow> = offered.chain(models.stale.iter().map(|name| stale(pool, name))).collect();
            rows
        });
        Ok(rows.map(Reply::Model).collect())
    }
}

fn labels(snapshot: &Snapshot) -> HashMap<AccountId, &str> {
    snapshot.accounts.iter().map(|account| (account.id, account.label.as_str())).collect()
}

fn row(pool: &PoolRecord, offer: &Offer, labels: &HashMap<AccountId, &str>) -> ModelRow {
    let facts = &offer.facts;
    let label = |id: &AccountId| labels.get(id).map_or_else(|| id.to_string(), ToString::to_string);
    let accounts = facts.sources.as_ref().map(|sources| {
        let mut labels: Vec<String> = sources.iter().map(label).collect();
        labels.sort();
        labels
    });
    ModelRow {
        pool: pool.slug.clone(),
        model: facts.id.clone(),
        state: if offer.listed { "listed" } else { "hidden" }.to_owned(),
        upstream_model: facts.upstream_id.clone(),
        display_name: Some(offer.display_name.clone()),
        lite: facts.lite,
        context_length: offer.context_length,
        accounts,
    }
}

fn stale(pool: &PoolRecord, name: &str) -> ModelRow {
    ModelRow {
        pool: pool.slug.clone(),
        model: name.to_owned(),
        state: "stale".to_owned(),
        upstream_model: name.to_owned(),
        display_name: None,
        lite: false,
        context_length: None,
        accounts: Some(Vec::new()),
    }
}
