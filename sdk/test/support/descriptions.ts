/** What browsers say of a connection that has data channels alone. */

/** Chromium 156, on a page that may use the camera. */
export const CHROMIUM: string = lines(`v=0
o=- 5884032452041740371 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=extmap-allow-mixed
a=msid-semantic: WMS
m=application 56888 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 127.0.0.1
a=candidate:1158885968 1 udp 2122063615 192.0.2.2 43970 typ host generation 0 network-id 1
a=candidate:1113677536 1 udp 2122134271 fd00::2 33853 typ host generation 0 network-id 2
a=candidate:1677722300 1 udp 1685855999 203.0.113.7 43970 typ srflx raddr 192.0.2.2 rport 43970 generation 0 network-id 1
a=candidate:2514571076 1 tcp 1518214911 127.0.0.1 9 typ host tcptype active generation 0 network-id 3 network-cost 50
a=ice-ufrag:MNRq
a=ice-pwd:gjVDkgyEl/sOMDQpi6hi1qDw
a=ice-options:trickle
a=fingerprint:sha-256 53:7C:5D:A2:C6:E6:14:8E:1E:FD:00:E4:F3:0A:51:7B:68:D5:70:D8:C8:FB:6B:A4:FF:98:49:61:32:B7:09:53
a=setup:actpass
a=mid:0
a=sctp-port:5000
a=max-message-size:262144
`)

/** Firefox 153. */
export const FIREFOX: string = lines(`v=0
o=mozilla...THIS_IS_SDPARTA-99.0 4303273232045195497 0 IN IP4 0.0.0.0
s=-
t=0 0
a=sendrecv
a=extmap-allow-mixed
a=fingerprint:sha-256 A3:D9:A1:B3:62:B8:62:EF:92:A9:8B:B8:32:C2:88:0D:09:D8:FD:FE:08:E2:C9:DD:18:C5:7C:62:97:80:DB:02
a=group:BUNDLE 0
a=ice-options:trickle
a=msid-semantic:WMS *
m=application 35097 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 192.0.2.2
a=candidate:0 1 UDP 2122187007 8f2d5a51-43c5-4d26-9f31-0c2f14c7d6b1.local 35097 typ host
a=candidate:1 1 UDP 2122252543 fd00::2 40962 typ host
a=candidate:2 1 TCP 2105458943 192.0.2.2 9 typ host tcptype active
a=sendrecv
a=end-of-candidates
a=extmap-allow-mixed
a=ice-pwd:d3f8ed09c5a5227b20982d4d1d3291a0
a=ice-ufrag:fc5a0a11
a=mid:0
a=setup:active
a=sctp-port:5000
a=max-message-size:1073741823
`)

function lines(text: string): string {
  return text.replaceAll('\n', '\r\n')
}
