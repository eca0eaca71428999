//! One connection to one peer, and its negotiation: who offers, whose offer counts where two cross, and what is stale.
//!
//! Whoever calls these functions calls one after the other. So an offer is being made, or an answer applied, only while nothing else
//! happens, and all that "perfect negotiation" needs to remember is which offer of ours waits for its answer.

use std::{mem, sync::Arc, time::Instant};

use aldis_protocol::IceServer;
use anyhow::{Context as _, Result, bail};
use serde_json::json;
use webrtc::{
    peer_connection::{PeerConnection, RTCIceCandidate, RTCIceCandidateInit, RTCSessionDescription},
    rtp_transceiver::RTCRtpTransceiverDirection,
};

use crate::{
    candidates::{Candidates, belongs, fragments, is_shared},
    connection::configuration,
    line::Line,
    numbers::{Descriptions, Numbers},
};

/// How many descriptions in a row may come to nothing.
const FAILURES_MAX: u32 = 2;

/// What a peer's refusal of our offer asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// Nothing: it was about an offer that no longer counts.
    Stale,
    /// Another one has been made.
    OfferedAgain,
    /// It is the peer's turn, which offers at once.
    TheirTurn,
}

/// A connection and its negotiation. An error of its functions means that it can be negotiated no more: another one is needed.
pub struct Pair {
    connection: Arc<dyn PeerConnection>,
    line: Line,
    generation: u64,
    /// This side yields where two offers cross, and leaves every start of ICE to the other one.
    is_polite: bool,
    descriptions: Descriptions,
    candidates: Candidates,
    failures: u32,
    /// ICE is to start afresh as soon as the offer that is pending has its answer.
    restarts_next: bool,
}

impl Pair {
    pub fn new(connection: Arc<dyn PeerConnection>, line: Line, generation: u64, is_polite: bool) -> Self {
        Self {
            connection,
            line,
            generation,
            is_polite,
            descriptions: Descriptions::default(),
            candidates: Candidates::default(),
            failures: 0,
            restarts_next: false,
        }
    }

    /// Our offer that waits for its answer.
    pub fn pending(&self) -> Option<u64> {
        self.descriptions.pending()
    }

    /// The peer's latest offer.
    pub fn theirs(&self) -> u64 {
        self.descriptions.theirs()
    }

    /// Makes an offer.
    pub async fn offer(&mut self) -> Result<()> {
        self.carry_nothing().await?;
        let offer = self.connection.create_offer(None).await?;
        self.connection.set_local_description(offer.clone()).await?;
        self.say_offer(&offer.sdp);
        Ok(())
    }

    /// Makes the pending offer once more, under another number: an answer that is on its way comes too late.
    pub async fn offer_again(&mut self) -> Result<()> {
        let offer = self.connection.pending_local_description().await.context("no offer is pending")?;
        self.say_offer(&offer.sdp);
        Ok(())
    }

    /// Starts ICE afresh, or asks the peer to: browsers fail where the side does that did not make the first offer.
    pub async fn restart(&mut self) -> Result<()> {
        if self.is_polite {
            self.line.restart(self.numbers());
        } else if self.pending().is_none() {
            self.connection.restart_ice().await?;
            self.offer().await?;
        } else if self.connection.current_remote_description().await.is_none() {
            self.offer_again().await?;
        } else {
            self.restarts_next = true;
        }
        Ok(())
    }

    /// The peer offers.
    pub async fn take_offer(&mut self, sdp: &str, d: Option<u64>) -> Result<()> {
        if !self.descriptions.is_new(d) {
            return Ok(());
        }
        if self.pending().is_some() {
            if !self.is_polite {
                return Ok(());
            }
            self.roll_back_ours().await?;
        }
        match self.answer(sdp).await {
            Ok(answer) => {
                self.failures = 0;
                let d_of_answer = self.descriptions.answer();
                self.line.answer(&answer, Numbers { d: Some(d_of_answer), re: d, ..self.numbers() });
                self.release().await;
                Ok(())
            }
            Err(error) => self.refuse(d, error).await,
        }
    }

    /// The peer answers.
    pub async fn take_answer(&mut self, sdp: &str, re: Option<u64>) -> Result<()> {
        if !self.descriptions.settles(re) {
            return Ok(());
        }
        self.connection.set_remote_description(RTCSessionDescription::answer(sdp.to_owned())?).await?;
        self.failures = 0;
        self.release().await;
        if mem::take(&mut self.restarts_next) {
            self.restart().await?;
        }
        Ok(())
    }

    /// The peer's browser does not take our offer.
    pub async fn take_nack(&mut self, re: Option<u64>) -> Result<Refused> {
        if !self.descriptions.settles(re) {
            return Ok(Refused::Stale);
        }
        self.failures += 1;
        if self.failures > FAILURES_MAX {
            bail!("the peer refuses every offer");
        }
        self.connection.set_local_description(RTCSessionDescription::rollback(None)?).await?;
        if self.connection.current_remote_description().await.is_some() {
            return Ok(Refused::TheirTurn);
        }
        self.offer().await?;
        Ok(Refused::OfferedAgain)
    }

    /// The peer can be reached at one more address.
    pub async fn take_candidate(&mut self, candidate: RTCIceCandidateInit) {
        if !is_shared(&candidate) {
            return;
        }
        match self.connection.remote_description().await {
            Some(description) if belongs(&candidate, &description.sdp) => self.add(candidate).await,
            _ => self.candidates.hold(candidate, Instant::now()),
        }
    }

    /// This side can be reached at one more address.
    pub async fn found(&self, candidate: &RTCIceCandidate) {
        // Its offer may have been taken back meanwhile.
        let Some(description) = self.connection.local_description().await else { return };
        let Ok(candidate) = candidate.to_json() else { return };
        // The crate says neither of which section it is nor of which description.
        let candidate = json!({
            "candidate": candidate.candidate,
            "sdpMid": description.sdp.lines().find_map(|line| line.strip_prefix("a=mid:")),
            "sdpMLineIndex": 0,
            "usernameFragment": fragments(&description.sdp).next(),
        });
        self.line.candidate(candidate, self.numbers());
    }

    /// Uses other ICE servers from the next start of ICE on.
    pub async fn set_ice_servers(&self, ice_servers: &[IceServer]) {
        if let Err(error) = self.connection.set_configuration(configuration(ice_servers)).await {
            eprintln!("{}: the ICE servers stay as they are: {error}", self.line.name());
        }
    }

    /// Ends it, without a word to the peer.
    pub async fn close(self) {
        // What does not close has closed.
        let _ = self.connection.close().await;
    }

    fn numbers(&self) -> Numbers {
        Numbers::connection(self.generation)
    }

    fn say_offer(&mut self, sdp: &str) {
        let d = self.descriptions.offer();
        self.line.offer(sdp, Numbers { d: Some(d), ..self.numbers() });
    }

    async fn answer(&self, sdp: &str) -> Result<String> {
        self.connection.set_remote_description(RTCSessionDescription::offer(sdp.to_owned())?).await?;
        self.carry_nothing().await?;
        let answer = self.connection.create_answer(None).await?;
        self.connection.set_local_description(answer.clone()).await?;
        Ok(answer.sdp)
    }

    /// This program has nothing to show and watches nothing: sections of audio and video are there, and carry nothing.
    async fn carry_nothing(&self) -> Result<()> {
        for transceiver in self.connection.get_transceivers().await {
            transceiver.set_direction(RTCRtpTransceiverDirection::Inactive).await?;
        }
        Ok(())
    }

    /// The peer's offer is not taken here: perhaps ours is there.
    async fn refuse(&mut self, re: Option<u64>, why: anyhow::Error) -> Result<()> {
        self.failures += 1;
        if self.failures >= FAILURES_MAX {
            return Err(why);
        }
        eprintln!("{}: an offer is refused: {why:#}", self.line.name());
        // Where it was not applied at all, there is nothing to take back.
        if self.connection.pending_remote_description().await.is_some() {
            self.connection.set_remote_description(RTCSessionDescription::rollback(None)?).await?;
        }
        self.line.nack(Numbers { re, ..self.numbers() });
        // The first offer is always the other side's.
        if self.connection.current_remote_description().await.is_some() {
            self.offer().await?;
        }
        Ok(())
    }

    async fn roll_back_ours(&mut self) -> Result<()> {
        self.descriptions.take_back();
        Ok(self.connection.set_local_description(RTCSessionDescription::rollback(None)?).await?)
    }

    async fn release(&mut self) {
        let Some(description) = self.connection.remote_description().await else { return };
        for candidate in self.candidates.release(&description.sdp, Instant::now()) {
            self.add(candidate).await;
        }
    }

    /// A candidate that is not understood is one less, and no more.
    async fn add(&self, candidate: RTCIceCandidateInit) {
        if let Err(error) = self.connection.add_ice_candidate(candidate).await {
            eprintln!("{}: a candidate is refused: {error}", self.line.name());
        }
    }
}
