//! The life of one websocket after its handshake.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::super::faults::Route;
use super::super::record::Ended;
use super::super::refusal::Refusal;
use super::super::routes::RESPONSES;
use super::super::state::InFlight;
use super::super::wire::Line;
use super::act::{self, Act};
use super::frames::{self, Create, Frame};
use super::log::{SocketClosed, SocketSeen};
use super::muzzle::Muzzle;
use super::parting;
use super::running::{Planning, Running, next_act};
use super::thread::Thread;
use super::turn;
use super::{Agreed, Limits, limit_reached};

/// The most that a message may have, and so a frame.
const MESSAGE: usize = 16 << 20;
const READ_BUFFER: usize = 8 << 10;

pub(super) type Socket = WebSocketStream<Muzzle<TokioIo<Upgraded>>>;
/// How the socket ended; nothing is left to say on it.
type Flow = ControlFlow<SocketClosed>;

struct Session<'a> {
    agreed: &'a Agreed,
    line: &'a Line,
    socket: Socket,
    thread: Thread,
    running: Option<Running>,
    opened: Instant,
    heard: Instant,
    limits: watch::Receiver<Limits>,
}

/// Notes that the socket has ended, also when its task is aborted.
struct Farewell<'a> {
    agreed: &'a Agreed,
    closed: SocketClosed,
}

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        let closed = self.closed.clone();
        self.agreed.seen(|seen| seen.closed = Some(closed));
    }
}

impl Agreed {
    /// Serves the websocket until it ends.
    pub(in crate::simulator) async fn run(self, line: &Line) {
        self.state.sockets.open(self.record, self.account.label());
        let mut farewell = Farewell { agreed: &self, closed: SocketClosed { by_client: false, code: 1006 } };
        let Ok(upgraded) = self.upgrade.clone().await else { return };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_message_size(Some(MESSAGE))
            .max_frame_size(Some(MESSAGE));
        let stream = Muzzle::new(TokioIo::new(upgraded));
        let now = Instant::now();
        let mut session = Session {
            agreed: &self,
            line,
            socket: WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await,
            thread: Thread::default(),
            running: None,
            opened: now,
            heard: now,
            limits: self.state.socket_limits.subscribe(),
        };
        farewell.closed = session.live().await;
    }

    fn seen(&self, change: impl FnOnce(&mut SocketSeen)) {
        self.state.sockets.edit(self.record, change);
    }
}

impl Session<'_> {
    async fn live(&mut self) -> SocketClosed {
        loop {
            let deadline = self.deadline();
            let flow = tokio::select! {
                received = self.socket.next() => self.receive(received).await,
                act = next_act(&mut self.running) => self.act(act).await,
                () = tokio::time::sleep_until(deadline), if self.running.is_none() => self.expire().await,
                Ok(()) = self.limits.changed() => ControlFlow::Continue(()),
            };
            if let ControlFlow::Break(closed) = flow {
                return closed;
            }
        }
    }

    /// When the first limit is reached.
    fn deadline(&self) -> Instant {
        let limits = *self.limits.borrow();
        (self.opened + limits.lifetime).min(self.heard + limits.idle)
    }

    /// A limit is reached and no turn runs.
    async fn expire(&mut self) -> Flow {
        if self.opened.elapsed() < self.limits.borrow().lifetime {
            return self.close(Some(act::close(1001, "idle"))).await;
        }
        self.send(vec![Message::from(limit_reached())]).await?;
        self.close(Some(act::close(1000, ""))).await
    }

    async fn receive(&mut self, received: Option<Result<Message, Error>>) -> Flow {
        self.heard = Instant::now();
        match received {
            Some(Ok(Message::Text(text))) => {
                self.agreed.seen(|seen| seen.messages += 1);
                self.message(&text).await
            }
            Some(Ok(Message::Binary(_) | Message::Frame(_))) => {
                self.close(Some(act::close(1003, "binary frames are not supported"))).await
            }
            Some(Ok(Message::Ping(_))) => {
                self.agreed.seen(|seen| seen.pings += 1);
                let account = self.agreed.account.index();
                if !self.agreed.state.board.take(Some(account), Route::Ping, RESPONSES).is_empty() {
                    self.socket.get_mut().mute_next_pong();
                }
                ControlFlow::Continue(())
            }
            Some(Ok(Message::Pong(_))) => {
                self.agreed.seen(|seen| seen.pongs += 1);
                ControlFlow::Continue(())
            }
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(1005, |frame| frame.code.into());
                parting::farewell(&mut self.socket).await;
                ControlFlow::Break(SocketClosed { by_client: true, code })
            }
            Some(Err(error)) => self.offended(&error).await,
            None => gone(),
        }
    }

    /// Answers what the protocol does not allow.
    async fn offended(&mut self, error: &Error) -> Flow {
        let Some((code, reason)) = parting::answer(error) else { return gone() };
        if self.socket.send(Message::Close(Some(act::close(code, reason)))).await.is_ok() {
            parting::drain(&mut self.socket).await;
        }
        ControlFlow::Break(SocketClosed { by_client: false, code })
    }

    async fn message(&mut self, text: &str) -> Flow {
        match frames::read(text) {
            Ok(Frame::Processed) => {
                self.agreed.seen(|seen| seen.processed += 1);
                ControlFlow::Continue(())
            }
            Ok(Frame::Create(create)) => self.create(create, text).await,
            Err(refusal) => self.refuse(refusal).await,
        }
    }

    async fn create(&mut self, create: Create, text: &str) -> Flow {
        let Agreed { state, account, record: socket, .. } = self.agreed;
        let record = state.recorder.open_turn(*socket, account.label(), RESPONSES, text.len());
        if state.record_bodies.load(Ordering::Relaxed) {
            state.recorder.edit(record, |recorded| recorded.body = serde_json::from_str(text).ok());
        }
        let warm_up = !create.generates;
        state.recorder.edit(record, |recorded| recorded.warm_up = warm_up);
        let mut flight = InFlight::new(state, record);
        let previous = turn::previous_of(&create.body).map(str::to_owned);
        let prepared = match self.running {
            Some(_) => Err(busy()),
            None => turn::prepare(self.agreed, &self.thread, create),
        };
        match prepared {
            Ok(prepared) => {
                self.agreed
                    .seen(|seen| *(if prepared.generates() { &mut seen.turns } else { &mut seen.warm_ups }) += 1);
                flight.count();
                let (state, account) = (Arc::clone(state), account.clone());
                let planning: Planning = Box::pin(async move { prepared.plan(&state, &account).await });
                self.running = Some(Running::new(planning, previous, record, flight));
                ControlFlow::Continue(())
            }
            Err(refusal) => {
                state.recorder.edit(record, |recorded| {
                    recorded.status = Some(refusal.status);
                    recorded.refused = Some(refusal.reason.to_owned());
                });
                if self.running.is_none() {
                    self.failed(previous.as_deref());
                }
                let flow = self.refuse(refusal).await;
                flight.end(Ended::Served);
                flow
            }
        }
    }

    /// A turn that failed takes the response that it went on from with it.
    fn failed(&mut self, previous: Option<&str>) {
        if let Some(id) = previous {
            self.thread.forget(id);
        }
    }

    async fn refuse(&mut self, refusal: Refusal) -> Flow {
        self.agreed.seen(|seen| seen.refused += 1);
        for act in turn::replaced(&refusal.into()).acts {
            self.send(act.messages()).await?;
        }
        ControlFlow::Continue(())
    }

    /// Does one act of the running turn; without one the turn is over.
    async fn act(&mut self, act: Option<Act>) -> Flow {
        match act {
            None => {
                self.finish(Ended::Served);
                ControlFlow::Continue(())
            }
            Some(Act::Close(frame)) => {
                self.finish(Ended::Broken);
                self.close(frame).await
            }
            Some(act @ (Act::Cut | Act::Reset)) => {
                if matches!(act, Act::Reset) {
                    self.line.reset_on_close();
                }
                self.finish(Ended::Broken);
                ControlFlow::Break(SocketClosed { by_client: false, code: 1006 })
            }
            Some(act) => self.send(act.messages()).await,
        }
    }

    fn finish(&mut self, how: Ended) {
        let Some(mut running) = self.running.take() else { return };
        running.flight.end(how);
        let Some(planned) = running.planned else { return };
        self.agreed.state.recorder.edit(running.record, |recorded| recorded.status = Some(planned.status));
        match planned.remember.filter(|_| how == Ended::Served) {
            Some(known) => self.thread.remember(known),
            None => self.failed(running.previous.as_deref()),
        }
        if planned.status >= 400 {
            self.agreed.seen(|seen| seen.refused += 1);
        }
    }

    /// Sends messages; the frames of one message count once.
    async fn send(&mut self, frames: Vec<Message>) -> Flow {
        let counts = frames.iter().any(|frame| !matches!(frame, Message::Ping(_)));
        for frame in frames {
            if self.socket.send(frame).await.is_err() {
                return gone();
            }
        }
        if counts {
            self.agreed.seen(|seen| seen.sent += 1);
        }
        ControlFlow::Continue(())
    }

    async fn close(&mut self, frame: Option<CloseFrame>) -> Flow {
        let code = frame.as_ref().map_or(1005, |frame| frame.code.into());
        if self.socket.send(Message::Close(frame)).await.is_ok() {
            parting::farewell(&mut self.socket).await;
        }
        ControlFlow::Break(SocketClosed { by_client: false, code })
    }
}

/// The client left without a close frame.
fn gone() -> Flow {
    ControlFlow::Break(SocketClosed { by_client: true, code: 1006 })
}

fn busy() -> Refusal {
    let message = "Another response is in progress on this websocket.";
    let mut refusal = Refusal::invalid("response_in_progress", Some("response_in_progress"), None, message);
    refusal.status = 409;
    refusal
}
