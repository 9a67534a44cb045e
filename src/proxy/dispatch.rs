//! Walks the plan: one attempt per account, the next one only while nothing is committed to the client (docs/routing.md, Attempts).

mod attempt;
mod attempts;
mod hold;
mod stay;

use std::sync::Arc;

use http::HeaderMap;
use pooler_filter::codex::{Failure, NoCompaction, Verdict, sentence};
use pooler_filter::sse::Limits as BlockLimits;
use pooler_filter::{
    AccountId, AccountView, AttemptResult, Candidate, Code, Exchange, Expects, Intent, KeyId, Operation, Plan, PoolId,
    PoolView as _, Principal, Reject, RejectKind, Route, Served, Standing, Timestamp, Turn, UpstreamRequest, Verbatim,
};

pub(crate) use self::attempt::{Answer, Lost, Source, Tried};
pub(crate) use self::attempts::Attempts;
pub(crate) use self::hold::{Hold, Step, failure_in};
use super::Gateway;
use super::upstream::{Frozen, Replay};
use crate::accounts::{Credential, RefreshReason};
use crate::client::Call;
use crate::pool::{Account, Mark};

/// How the client wants its answer; decides what may be held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// As a stream.
    Stream,
    /// In one piece: nothing is sent before the end, so everything may be tried again until then.
    Whole,
}

/// A way to ask an account: a call over HTTP, or a message on a websocket.
pub(crate) trait Ask: Send {
    /// What an answer worth committing to is.
    type Answer: Send;

    /// One try at one account.
    fn ask(&mut self, account: &Account, call: Call) -> impl Future<Output = Result<Self::Answer, Lost>> + Send;
}

/// What an attempt is authorised by.
#[derive(Debug)]
struct Token {
    credential: Arc<Credential>,
    /// From a refresh of this very attempt: there is no other one (docs/decisions.md, R1).
    fresh: bool,
}

/// An answer that is committed to the client, and who gave it.
#[derive(Debug)]
pub(crate) struct Committed<T = (Answer, HeaderMap)> {
    pub(crate) served: Served,
    pub(crate) answer: T,
    pub(crate) mark: Mark,
}

/// What a walk needs to know of the request.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    gateway: &'a Gateway,
    plan: Vec<Candidate>,
    pool: PoolId,
    key: KeyId,
    model: Box<str>,
    want: Want,
    /// The client speaks as Codex CLI does, and gets what the upstream says about the request as it came.
    native: bool,
    compact: bool,
    input_file: bool,
    context_window: Option<u64>,
    blocks: BlockLimits,
    /// On a websocket.
    turn: Option<Turn>,
    /// It asks for the compaction of its input instead of a response.
    compacts: bool,
    request: Frozen,
}

impl<'a> Walk<'a> {
    /// Takes from the exchange what the walk needs, so that the exchange is free meanwhile.
    pub(crate) fn new(gateway: &'a Gateway, request: UpstreamRequest, cx: &Exchange) -> Result<Self, Reject> {
        let intent = cx.require::<Intent>()?;
        let want = if intent.stream { Want::Stream } else { Want::Whole };
        let principal = cx.require::<Principal>()?;
        let route = *cx.require::<Route>()?;
        Ok(Self {
            gateway,
            plan: cx.require::<Plan>()?.0.clone(),
            pool: principal.0.pool.id,
            key: principal.0.id.clone(),
            model: intent.model.as_str().into(),
            want,
            native: route.is_native(),
            compact: route.operation == Operation::Compact,
            input_file: intent.input_file,
            context_window: intent.context_window,
            blocks: gateway.block_limits(route.operation, want),
            compacts: route.operation == Operation::Responses && intent.one_account,
            turn: cx.get::<Turn>().copied(),
            request: Frozen::new(request, cx),
        })
    }

    /// How much memory the body keeps that goes upstream, in bytes: the chain may have made it longer than what came.
    pub(crate) const fn body_kept(&self) -> usize {
        self.request.kept()
    }

    /// Goes to this account alone.
    pub(crate) fn only(&mut self, candidate: Candidate) {
        self.plan = vec![candidate];
    }

    /// The same walk with another request, to this account alone.
    pub(crate) fn alone(&self, account: AccountId, request: UpstreamRequest, cx: &Exchange) -> Walk<'a> {
        Walk {
            gateway: self.gateway,
            plan: self.plan.iter().filter(|candidate| candidate.account == account).cloned().collect(),
            pool: self.pool,
            key: self.key.clone(),
            model: self.model.clone(),
            want: self.want,
            native: self.native,
            compact: self.compact,
            input_file: self.input_file,
            context_window: self.context_window,
            blocks: self.blocks,
            turn: self.turn,
            compacts: self.compacts,
            request: Frozen::new(request, cx),
        }
    }

    /// Whether a client that waits for too long gets the status of a stream before there is one. A native client does not: what came of
    /// the request has to be told by its status, as the stream is the upstream's own (docs/native.md, Streams).
    pub(crate) fn commits_silence(&self) -> bool {
        self.want == Want::Stream && !self.native
    }

    /// How this request is asked over HTTP.
    pub(crate) const fn over_http(&self) -> Tried<'a> {
        Tried {
            gateway: self.gateway,
            want: self.want,
            native: self.native,
            expects: self.request.expects(),
            blocks: self.blocks,
        }
    }

    /// Stays with the account that a websocket is connected to, as far as the plan has it.
    pub(crate) fn stay(&mut self, connected: Option<AccountId>) -> Result<(), Reject> {
        let continues = self.continues();
        stay::stay(&mut self.plan, connected, continues)
    }

    /// Whether it asks for the compaction of its input instead of a response.
    pub(crate) const fn compacts(&self) -> bool {
        self.compacts
    }

    fn continues(&self) -> bool {
        self.turn.is_some_and(|turn| turn.continues)
    }

    /// Tries the candidates in order. An error is final: no candidate is left, or none would do better.
    pub(crate) async fn run<A: Ask>(&self, way: &mut A, attempts: &Attempts) -> Result<Committed<A::Answer>, Reject> {
        let mut last = None;
        for candidate in &self.plan {
            match self.candidate(way, candidate, attempts).await {
                Ok(committed) => return Ok(committed),
                Err(lost) if lost.verdict == Verdict::Final => return Err(self.reject(lost)),
                Err(lost) => last = Some(lost),
            }
        }
        Err(last.map_or_else(
            || no_backend("the plan was empty"),
            |lost| self.exhausted().or_else(|| self.elsewhere()).unwrap_or_else(|| self.reject(lost)),
        ))
    }

    /// One account: a refused token is refreshed once and the account tried once more (docs/decisions.md, R1).
    async fn candidate<A: Ask>(
        &self,
        way: &mut A,
        candidate: &Candidate,
        attempts: &Attempts,
    ) -> Result<Committed<A::Answer>, Lost> {
        let Some(account) = self.gateway.pool.account(candidate.account) else {
            return Err(Lost::unauthorized("the account was removed"));
        };
        let usable = self.usable_credential(&account).await;
        let mut token = match usable {
            Ok(token) => token,
            Err(lost) => {
                // It counts as a try: else an account without a token would keep its place in the order for ever.
                attempts.begin(candidate);
                attempts.end(self.gateway, lost.result, None);
                learn(self.gateway, self.mark(candidate), None, lost.verdict);
                return Err(lost);
            }
        };
        let mut replay = Replay::Issued;
        loop {
            let lost = match self.once(way, candidate, &account, &token.credential, replay, attempts).await {
                Ok(committed) => return Ok(committed),
                Err(lost) => lost,
            };
            if lost.refuses_encrypted() && replay == Replay::Issued && self.request.replays_to(account.id) {
                tracing::debug!(account = %account.label, "the account refuses reasoning that it issued; once more without");
                replay = Replay::Nothing;
                continue;
            }
            let refused = lost.verdict == Verdict::Refresh;
            let Some(fresh) = (if refused { self.replacement(&account, &token).await } else { None }) else {
                learn(self.gateway, self.mark(candidate), lost.failure.as_ref(), lost.verdict);
                return Err(lost);
            };
            token = fresh;
        }
    }

    /// The token in memory; one that has ended is refreshed first.
    async fn usable_credential(&self, account: &Arc<Account>) -> Result<Token, Lost> {
        let accounts = &self.gateway.accounts;
        let Some(credential) = accounts.credential(account.id) else {
            return Err(Lost::unauthorized("the account has no token"));
        };
        if !accounts.is_expired(&credential) {
            return Ok(Token { credential, fresh: false });
        }
        let refreshed = accounts.refresh(account, credential.version, RefreshReason::ProactiveExpiry).await;
        let credential = refreshed.map_err(|error| Lost::unauthorized(error.to_string()))?;
        Ok(Token { credential, fresh: true })
    }

    /// A token in place of one that was refused; none when that one is from a refresh of this very attempt.
    async fn replacement(&self, account: &Arc<Account>, refused: &Token) -> Option<Token> {
        let (accounts, version) = (&self.gateway.accounts, refused.credential.version);
        if refused.fresh {
            tracing::warn!(account = %account.label, "the upstream refuses the token of the account right after its refresh");
            accounts.refused(account.id, version);
            return None;
        }
        match accounts.refresh(account, version, RefreshReason::UnauthorizedRecovery).await {
            Ok(credential) => Some(Token { credential, fresh: true }),
            Err(error) => {
                tracing::warn!(account = %account.label, %error, "no retry after a refused token");
                None
            }
        }
    }

    async fn once<A: Ask>(
        &self,
        way: &mut A,
        candidate: &Candidate,
        account: &Account,
        credential: &Credential,
        replay: Replay,
        attempts: &Attempts,
    ) -> Result<Committed<A::Answer>, Lost> {
        let number = attempts.begin(candidate);
        let call = self.request.call(account, credential, replay);
        match way.ask(account, call).await {
            Ok(answer) => {
                let served =
                    Served { account: candidate.account, label: Arc::clone(&candidate.label), attempt: number };
                Ok(Committed { served, answer, mark: self.mark(candidate) })
            }
            Err(lost) => {
                attempts.end(self.gateway, lost.result, lost.failure.as_ref());
                Err(lost)
            }
        }
    }

    fn mark(&self, candidate: &Candidate) -> Mark {
        let (pool, key, model) = (self.pool, self.key.clone(), self.model.clone());
        Mark { pool, key, model, account: candidate.account }
    }

    /// The answer when every account that could serve has used up its quota.
    fn exhausted(&self) -> Option<Reject> {
        exhausted(&self.gateway.pool.accounts(self.pool, &self.key, &self.model), self.gateway.clock.now())
    }

    /// The answer to a turn whose account cannot go on, while another one could begin anew: the client sends the whole conversation again
    /// (docs/decisions.md, S16).
    fn elsewhere(&self) -> Option<Reject> {
        let tried = |account: AccountId| self.plan.iter().any(|candidate| candidate.account == account);
        let views = self.gateway.pool.accounts(self.pool, &self.key, &self.model);
        let other = views.iter().any(|view| view.standing == Standing::Ready && !tried(view.account));
        (self.continues() && other).then(Reject::previous_response_not_found)
    }

    fn reject(&self, lost: Lost) -> Reject {
        let mut reject = match (lost.reject, lost.failure) {
            (Some(reject), _) => self.no_compaction(lost.result, &reject).map_or(reject, Reject::from),
            (None, Some(failure)) if self.turn.is_some() && failure.is_lost_response() => {
                Reject::previous_response_not_found()
            }
            (None, Some(failure)) if self.native => self.told(failure, lost.told),
            (None, Some(failure)) => self.public(failure),
            (None, None) => no_backend("no account could be used"),
        };
        if self.compact && reject.code_str() == "upstream_request_failed" {
            reject.message = "upstream compact request failed".into();
        }
        match lost.why {
            Some(why) if reject.source.is_none() => reject.because(why),
            Some(_) | None => reject,
        }
    }

    /// For a native client: what the upstream says about the request, as it came; all else is told as to anybody.
    fn told(&self, failure: Failure, told: Option<Verbatim>) -> Reject {
        let status = failure.status.filter(|_| failure.is_about_request());
        let (Some(status), Some(told)) = (status, told) else {
            return failure.public_reject(self.input_file, self.context_window);
        };
        let code = failure.code.unwrap_or(Code::new("upstream_error"));
        let mut reject = Reject::with_code(RejectKind::Upstream(status), code, "The upstream refuses the request.");
        reject.verbatim = Some(Box::new(told));
        reject
    }

    /// An answer that is none at all has words of its own where a compaction was asked for (docs/v1.md, Compaction trigger).
    fn no_compaction(&self, result: AttemptResult, reject: &Reject) -> Option<NoCompaction> {
        let streamed = self.request.expects() == Expects::Response;
        match (result, reject.code_str()) {
            _ if !self.compacts => None,
            (AttemptResult::Invalid, "invalid_upstream_response") => Some(NoCompaction::NotJson),
            (AttemptResult::Invalid, "upstream_response_missing") => Some(NoCompaction::NoContent),
            (AttemptResult::Cut, "upstream_request_failed") if streamed => Some(NoCompaction::BadStream),
            _ => None,
        }
    }

    fn public(&self, mut failure: Failure) -> Reject {
        if failure.verdict() == Verdict::Refresh {
            return no_backend("the upstream refuses the token of the account");
        }
        if self.want == Want::Stream {
            failure.mask_lost_response();
        }
        failure.public_reject(self.input_file, self.context_window)
    }
}

/// Why none of these accounts can serve anything; none when one can.
pub(crate) fn unavailable(views: &[AccountView], now: Timestamp) -> Option<Reject> {
    let ready = views.iter().any(|view| view.standing == Standing::Ready);
    (!ready).then(|| exhausted(views, now).unwrap_or_else(|| no_backend("no account is ready")))
}

fn exhausted(views: &[AccountView], now: Timestamp) -> Option<Reject> {
    let mut resets = Vec::new();
    for view in views {
        match view.standing {
            Standing::Exhausted(reset) => resets.push(reset),
            Standing::Ready => return None,
            Standing::Unready | Standing::LoginLost => {}
        }
    }
    let first = resets.iter().flatten().filter(|at| **at > now).min().copied();
    (!resets.is_empty()).then(|| Reject::quota_exhausted(first, now))
}

/// What a failed attempt teaches about its account. Only what says something about the account counts against it.
pub(crate) fn learn(gateway: &Gateway, mark: Mark, failure: Option<&Failure>, verdict: Verdict) {
    let (health, now) = (gateway.pool.health(), gateway.clock.now());
    if let Some(failure) = failure.filter(|failure| failure.is_usage_limit()) {
        health.exhausted(mark.account, failure.resets_at, now);
    }
    if verdict != Verdict::Final {
        health.failed(mark, now);
    }
}

fn no_backend(why: &'static str) -> Reject {
    let code = "no_eligible_backend";
    Reject::new(RejectKind::Unavailable, code, sentence(code, Default::default())).because(why)
}
