//! One connection: a task that reads, a task that writes, and a channel between everybody else and the latter.

use std::sync::Arc;

use aldis_protocol::{PeerId, RoomId};
use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{self, SplitSink, SplitStream},
};
use tokio::sync::mpsc::Receiver;

use crate::{Writer, relay::Inbound, rooms::Rooms};

/// Serves a connection until it ends.
pub(crate) async fn serve(socket: WebSocket, rooms: Arc<Rooms>, room: RoomId, writer: Writer) {
    let Ok((id, queue)) = rooms.join(&room).await else { return };
    let (sink, stream) = socket.split();
    let writing = tokio::spawn(write(sink, queue, writer));
    read(stream, &rooms, &room, &id).await;
    rooms.leave(&room, &id).await;
    writing.abort();
}

async fn read(mut stream: SplitStream<WebSocket>, rooms: &Rooms, room: &RoomId, id: &PeerId) {
    while let Some(Ok(message)) = stream.next().await {
        let Message::Text(text) = message else { continue };
        let Ok(inbound) = serde_json::from_str::<Inbound<'_>>(&text) else { continue };
        let Some(queue) = rooms.find(room, inbound.to) else { continue };
        let Ok(stamped) = inbound.stamped(id) else { continue };
        // Waits where the queue is full: this relay blocks rather than loses.
        let _ = queue.send(stamped.into()).await;
    }
}

async fn write(mut sink: SplitSink<WebSocket, Message>, mut queue: Receiver<Utf8Bytes>, writer: Writer) {
    match writer {
        Writer::Send => {
            while let Some(text) = queue.recv().await {
                if sink.send(Message::Text(text)).await.is_err() {
                    return;
                }
            }
        }
        Writer::Forward => {
            let waiting = stream::poll_fn(|context| queue.poll_recv(context)).map(Message::Text).map(Ok);
            let _ = waiting.forward(sink).await;
        }
    }
}
