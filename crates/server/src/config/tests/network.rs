//! Where the server listens, whom it believes there, and whom it asks itself.

use super::*;

#[test]
fn nodes_of_one_process_have_consecutive_ports() {
    let further = |text: &str, ports| {
        let listen: ListenAddr = text.parse().expect("an address");
        listen
            .further(ports)
            .map(|listen| (listen.to_string(), listen.addrs().iter().map(std::net::SocketAddr::port).collect()))
    };
    assert_eq!(further("localhost:7654", 2), Some(("localhost:7656".to_owned(), vec![7656, 7656])));
    assert_eq!(further("[::1]:0", 2), Some(("[::1]:0".to_owned(), vec![0])));
    assert_eq!(further("127.0.0.1:65535", 1), None);
}

#[test]
fn a_certificate_needs_its_key_and_both_are_looked_at() {
    let certificate = [("ALDIS_AUTH_KEYS", KEYS), ("ALDIS_TLS_CERT", "/nonexistent/cert.pem")];
    assert_eq!(
        mistakes(&Flags::default(), &certificate, Purpose::Serve),
        ["tls.key: is missing although tls.cert is set; set ALDIS_TLS_KEY to the PEM file of its private key"]
    );
    let file = file("[tls]\nkey = '/nonexistent/key.pem'\n");
    assert_eq!(
        mistakes(&flags(&file), &certificate[..1], Purpose::Serve),
        ["tls.cert: is missing although tls.key is set; set ALDIS_TLS_CERT to the PEM file of the certificate"]
    );
    let flags = Flags { tls_cert: Some("/nonexistent/flag.pem".into()), ..flags(&file) };
    assert_eq!(
        mistakes(&flags, &certificate, Purpose::Serve),
        [
            "tls.cert (from --tls-cert): /nonexistent/flag.pem does not exist; give the path of a PEM file",
            "tls.key (from FILE): /nonexistent/key.pem does not exist; give the path of a PEM file",
        ]
    );
    // Tools run where the certificate is not, and `aldis dev` is not told of it.
    let loaded = Loaded::load(&flags, env(&certificate), Purpose::Tool).expect("good");
    assert_eq!(source(&loaded, "tls.cert"), &Source::Flag("--tls-cert".into()));
    let dev = Config::dev(&Flags::default(), env(&certificate)).expect("good");
    assert_eq!(dev.tls, None);
}

#[test]
fn trusted_proxies_come_from_the_file_the_environment_or_a_flag() {
    let file = file("trusted_proxies = ['10.0.0.0/8', '2001:db8::7']\n");
    let load = |flags: &Flags, variables: &[(&str, &str)]| {
        let proxies = Loaded::load(flags, env(variables), Purpose::Tool).expect("good").config.trusted_proxies;
        ["10.1.2.3", "2001:db8::7", "192.0.2.7", "fd00::1"]
            .map(|address| proxies.contain(address.parse().expect(address)))
    };
    assert_eq!(load(&flags(&file), &[]), [true, true, false, false]);
    let variables = [("ALDIS_TRUSTED_PROXIES", "192.0.2.7 , 10.0.0.0/8")];
    assert_eq!(load(&flags(&file), &variables), [true, false, true, false]);
    let flag = Flags { trusted_proxies: Some("fd00::/8".into()), ..flags(&file) };
    assert_eq!(load(&flag, &variables), [false, false, false, true]);
}

#[test]
fn the_proxy_protocol_is_off_unless_it_is_asked_for_and_needs_proxies() {
    let protocol = |variables: &[(&str, &str)]| {
        Loaded::load(&Flags::default(), env(variables), Purpose::Tool).expect("good").config.proxy_protocol
    };
    let proxies = ("ALDIS_TRUSTED_PROXIES", "10.0.0.0/8");
    assert_eq!(protocol(&[]), ProxyProtocol::Off);
    assert_eq!(protocol(&[proxies]), ProxyProtocol::Off);
    assert_eq!(protocol(&[proxies, ("ALDIS_PROXY_PROTOCOL", "true")]), ProxyProtocol::Required);
    let alone = mistakes(&Flags::default(), &[("ALDIS_PROXY_PROTOCOL", "true")], Purpose::Tool);
    assert_eq!(
        alone,
        [
            "proxy_protocol (from ALDIS_PROXY_PROTOCOL): is of no use without trusted_proxies (ALDIS_TRUSTED_PROXIES): list who sends the \
             header"
        ]
    );
}

#[test]
fn what_this_server_may_reach_itself_is_a_list_of_networks() {
    let variables = [("ALDIS_AUTH_KEYS", KEYS), ("ALDIS_OUTBOUND_NETWORKS", "10.1.0.0/16, ::1")];
    let config = Config::load(&Flags::default(), env(&variables)).expect("good");
    let permits = |address: &str| config.outbound.reach.permits(address.parse().expect("an address"));
    assert_eq!(["10.1.2.3", "::1", "10.2.0.1", "127.0.0.1"].map(permits), [true, true, false, false]);
    let wrong = [
        variables[0],
        ("ALDIS_OUTBOUND_NETWORKS", "10.1.2.3/16,intranet"),
        ("ALDIS_OUTBOUND_CA_FILE", "/nonexistent/ca.pem"),
    ];
    let found = mistakes(&Flags::default(), &wrong, Purpose::Serve);
    let expected = [
        "outbound.networks (from ALDIS_OUTBOUND_NETWORKS): `10.1.2.3/16` has bits beyond its prefix; write `10.1.0.0/16`",
        "outbound.networks (from ALDIS_OUTBOUND_NETWORKS): `intranet` is no address and no network",
        "outbound.ca_file (from ALDIS_OUTBOUND_CA_FILE): /nonexistent/ca.pem cannot be trusted",
    ];
    assert_mistakes(&found, &expected);
}
