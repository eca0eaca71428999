//! Frames: what RFC 6455 asks of a server, and what it must refuse.

use serde_json::json;

use crate::support::{Frame, NO_CODE, Opcode, Peer, Request, Rig};

#[tokio::test]
async fn a_broken_frame_closes_with_its_code() {
    let rig = Rig::usual();
    let mut ann = rig.raw("ann").await;
    let mut reserved = Opcode::Text.frame(b"{}");
    reserved[0] |= 0x40;
    let unmasked = [0x81, 0x02, b'{', b'}'];
    let cases: [(&str, Vec<u8>, u16); 8] = [
        ("unmasked", unmasked.to_vec(), 1002),
        ("a reserved bit", reserved, 1002),
        ("an unknown opcode", vec![0x83, 0x80, 0, 0, 0, 0], 1002),
        ("a continuation of nothing", Opcode::Continuation.frame(b"{}"), 1002),
        ("a long ping", Opcode::Ping.frame(&[0; 126]), 1002),
        ("a close with a forbidden code", Opcode::Close.frame(&1005_u16.to_be_bytes()), 1002),
        ("binary", Opcode::Binary.frame(b"{}"), 1003),
        ("bad UTF-8", Opcode::Text.frame(b"\xff"), 1007),
    ];
    for (what, bytes, code) in cases {
        let mut bob = rig.raw("bob").await;
        ann.expect("peer-joined").await;
        bob.write(&bytes).await;
        assert_eq!(bob.closed().await, (code, Vec::new()), "{what}");
        ann.expect_about("peer-left", &bob.id).await;
        assert!(rig.metric(&format!("aldis_closed_total{{code=\"{code}\"}}")) > 0, "{what}");
    }
    ann.is_quiet().await;
}

#[tokio::test]
async fn a_ping_gets_its_pong_and_a_close_its_echo() {
    let rig = Rig::usual();
    let mut ann = rig.raw("ann").await;
    ann.write(&Opcode::Ping.frame(b"payload")).await;
    assert_eq!(ann.frame().await, Frame::Pong(b"payload".to_vec()));
    let mut bob = rig.raw("bob").await;
    ann.expect("peer-joined").await;
    // What `ws.close()` sends: a goodbye without a code, answered in kind.
    bob.write(&Opcode::Close.frame(b"")).await;
    assert_eq!(bob.frame().await, Frame::Close(NO_CODE));
    assert_eq!(bob.frame().await, Frame::End);
    assert_eq!(ann.expect_about("peer-left", &bob.id).await["reason"], "left");
}

#[tokio::test]
async fn messages_come_in_fragments_and_byte_by_byte() {
    let rig = Rig::usual();
    let (mut ann, mut bob) = (rig.raw("ann").await, rig.raw("bob").await);
    ann.expect("peer-joined").await;
    let text = json!({ "type": "message", "to": bob.id, "data": "größer" }).to_string();
    // Cut within a character, with a ping between.
    let at = text.find('ö').expect("an umlaut") + 1;
    let (head, tail) = text.as_bytes().split_at(at);
    ann.write(&Opcode::Text.part(false, head)).await;
    ann.write(&Opcode::Ping.frame(b"")).await;
    assert_eq!(ann.frame().await, Frame::Pong(Vec::new()));
    ann.write(&Opcode::Continuation.part(true, tail)).await;
    bob.told(&ann.id, "größer").await;
    for byte in Opcode::Text.frame(text.as_bytes()) {
        ann.write(&[byte]).await;
    }
    bob.told(&ann.id, "größer").await;
    // Never more than 64 fragments.
    ann.write(&Opcode::Text.part(false, b"{")).await;
    for _ in 0..64 {
        ann.write(&Opcode::Continuation.part(false, b"")).await;
    }
    ann.closed_with(1009, "too-large").await;
}

#[tokio::test]
async fn frames_may_come_in_the_packet_of_the_handshake() {
    let rig = Rig::usual();
    let hello = Opcode::Text.frame(json!({ "type": "hello", "protocol": 1 }).to_string().as_bytes());
    let ping = Opcode::Text.frame(json!({ "type": "ping", "t": 5 }).to_string().as_bytes());
    let early = [hello, ping.clone()].concat();
    let mut ann = Peer::seated(rig.open(Request::upgrade("/v1/signal").v1(&rig.mint("ann")).early(early)).await).await;
    assert_eq!(ann.expect("pong").await["t"], 5);
    // Cut in the middle of the second.
    let raw =
        Request::upgrade("/v1/signal").bearer(&rig.mint("bob")).early([ping.clone(), ping[..7].to_vec()].concat());
    let mut bob = Peer::seated(rig.open(raw).await).await;
    bob.expect("pong").await;
    bob.write(&ping[7..]).await;
    bob.expect("pong").await;
}
