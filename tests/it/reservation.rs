//! The first byte to the client waits for the reservation.

use std::sync::Arc;

use pooler_filter::{
    BuildError, Contract, Durable, Exchange, Filter, FilterContext, FilterFactory, Flow, LedgerError, Reject,
    Reservation, Slot, UpstreamRequest, async_trait,
};
use tokio::sync::Semaphore;

use crate::support::caller::Caller;
use crate::support::{Gateway, PATIENCE};

/// Open while it has a permit: then the loss of a reservation is known, however often it is asked for.
static KNOWN: Semaphore = Semaphore::const_new(0);

/// Stands where `accounting` stands. Its reservations are lost, and that is known only once the upstream has answered.
struct LostLedger;

#[derive(serde::Deserialize)]
struct NoKeys {}

impl FilterFactory for LostLedger {
    const NAME: &'static str = "lost_ledger";
    const CONTRACT: Contract = Contract::new().on_body(&[], &[Reservation::NAME]);
    type Config = NoKeys;

    fn build(_: NoKeys, _: &FilterContext<'_>) -> Result<Arc<dyn Filter>, BuildError> {
        Ok(Arc::new(Self))
    }
}

#[async_trait]
impl Filter for LostLedger {
    async fn on_request_body(&self, _: &mut UpstreamRequest, cx: &mut Exchange) -> Result<Flow, Reject> {
        cx.put(Reservation(Arc::new(Lost)))?;
        Ok(Flow::Continue)
    }
}

struct Lost;

#[async_trait]
impl Durable for Lost {
    fn is_done(&self) -> bool {
        false
    }

    async fn wait(&self) -> Result<(), LedgerError> {
        let _open = KNOWN.acquire().await.map_err(|e| LedgerError(e.to_string()))?;
        Err(LedgerError("the disk is gone".into()))
    }
}

#[tokio::test]
async fn nothing_of_an_answer_is_sent_before_its_reservation_is_durable() {
    let chain: String = ["auth", "route_gate", "codex_rewrite", "pool_select", "lost_ledger"]
        .map(|filter| format!("[[chain]]\nfilter = \"{filter}\"\n"))
        .concat();
    let registry = codex_pooler::builtin_filters().with::<LostLedger>();
    let gateway = Gateway::builder().toml(&chain).registry(registry).start().await;
    let http2 = Arc::new(Caller::h2c(&gateway).await);
    for (served, stream, over) in [(1, false, None), (2, true, None), (3, false, Some(&http2)), (4, true, Some(&http2))]
    {
        let (client, over) = (gateway.client.clone(), over.cloned());
        let asked = tokio::spawn(async move {
            match over {
                None if stream => client.stream().await,
                None => client.ask().await,
                Some(http2) => http2.ask(stream).await,
            }
        });
        let answered = |seen: &[codex_pooler::simulator::Recorded]| {
            seen.iter().filter(|r| r.path.ends_with("/responses") && r.ended.is_some()).count() == served
        };
        assert!(gateway.codex.wait_for(answered, PATIENCE).await, "the upstream answers meanwhile");
        KNOWN.add_permits(1);
        let answer = asked.await.unwrap();
        KNOWN.try_acquire().unwrap().forget();
        assert_eq!(answer.refusal(), (503, "gateway_reservation_failed".into()), "stream: {stream}");
    }
}
