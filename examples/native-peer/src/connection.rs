//! A connection of the `webrtc` crate, as a browser's would be: its events go into one mailbox, in their order.

use std::{net::SocketAddr, sync::Arc};

use aldis_protocol::IceServer;
use async_trait::async_trait;
use rtc::{
    peer_connection::{
        configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_VP8},
        transport::RTCDtlsRole,
    },
    rtp_transceiver::rtp_sender::{RTCRtpCodec, RTCRtpCodecParameters, RtpCodecKind},
};
use webrtc::{
    data_channel::{DataChannel, RTCDataChannelInit},
    error::Result,
    peer_connection::{
        MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfiguration,
        RTCConfigurationBuilder, RTCIceCandidate, RTCIceServer, RTCPeerConnectionIceEvent, RTCPeerConnectionState,
        SettingEngineBuilder,
    },
};

/// What a connection tells.
pub enum Happening {
    /// It can be reached at one more address.
    Found(RTCIceCandidate),
    /// How it is.
    State(RTCPeerConnectionState),
    /// The other side opened a channel.
    Channel(Arc<dyn DataChannel>),
}

/// Whose part the first offer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// This side makes it.
    Offers,
    /// The peer does.
    Answers,
}

/// Makes a connection that can be reached at `addresses`. `tell` is told what happens on it.
pub async fn connect(
    part: Part,
    ice_servers: &[IceServer],
    addresses: &[SocketAddr],
    tell: impl Fn(Happening) + Send + Sync + 'static,
) -> Result<Arc<dyn PeerConnection>> {
    // Whoever answers first begins the handshake of DTLS, and remains its client: RFC 8842, section 5.5. The crate would call itself
    // the client in every answer, which browsers refuse.
    let role = match part {
        Part::Offers => RTCDtlsRole::Server,
        Part::Answers => RTCDtlsRole::Client,
    };
    let builder = PeerConnectionBuilder::new()
        .with_setting_engine(SettingEngineBuilder::new().with_answering_dtls_role(role).build())
        .with_configuration(configuration(ice_servers))
        .with_media_engine(codecs()?)
        .with_handler(Arc::new(Teller(tell)))
        .with_udp_addrs(addresses.to_vec());
    Ok(Arc::new(builder.build().await?))
}

/// One for audio and one for video, which every browser has: a side without any refuses the sections of an SDK's offer for good. More are
/// not needed where nothing is carried, and of those the crate gives two the same number when a browser adds a section later.
fn codecs() -> Result<MediaEngine> {
    let opus =
        RTCRtpCodec { mime_type: MIME_TYPE_OPUS.to_owned(), clock_rate: 48_000, channels: 2, ..Default::default() };
    let vp8 = RTCRtpCodec { mime_type: MIME_TYPE_VP8.to_owned(), clock_rate: 90_000, ..Default::default() };
    let mut codecs = MediaEngine::default();
    codecs.register_codec(RTCRtpCodecParameters { rtp_codec: opus, payload_type: 111 }, RtpCodecKind::Audio)?;
    codecs.register_codec(RTCRtpCodecParameters { rtp_codec: vp8, payload_type: 96 }, RtpCodecKind::Video)?;
    Ok(codecs)
}

/// What a connection is made with, or goes on with from the next start of ICE on.
pub fn configuration(ice_servers: &[IceServer]) -> RTCConfiguration {
    let ice_servers = ice_servers.iter().map(|server| RTCIceServer {
        urls: server.urls.clone(),
        username: server.username.clone().unwrap_or_default(),
        credential: server.credential.clone().unwrap_or_default(),
    });
    RTCConfigurationBuilder::new().with_ice_servers(ice_servers.collect()).build()
}

/// The channel that both sides know without a word: number 0, which is in the first offer of every SDK.
pub fn main_channel() -> RTCDataChannelInit {
    RTCDataChannelInit { negotiated: Some(0), ..RTCDataChannelInit::default() }
}

/// Passes everything on at once: whoever waited in here would keep the connection waiting.
struct Teller<F>(F);

#[async_trait]
impl<F: Fn(Happening) + Send + Sync + 'static> PeerConnectionEventHandler for Teller<F> {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        (self.0)(Happening::Found(event.candidate));
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        (self.0)(Happening::State(state));
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        (self.0)(Happening::Channel(channel));
    }
}
