/** What those have who come from elsewhere: every name must have its row in the page for them. */

const words = (text: string) => text.trim().split(/\s+/);

export const HAD: Readonly<Record<string, readonly string[]>> = {
  "from-nginx.md": words(`
    listen server_name protocol timeout resolver_timeout max_errors resolver smtp_auth smtp_capabilities smtp_client_buffer
    smtp_greeting_delay starttls ssl_certificate ssl_certificate_key ssl_password_file ssl_protocols ssl_ciphers
    ssl_prefer_server_ciphers ssl_conf_command ssl_dhparam ssl_ecdh_curve ssl_session_cache ssl_session_timeout
    ssl_session_tickets ssl_session_ticket_key ssl_verify_client ssl_client_certificate ssl_trusted_certificate
    ssl_verify_depth ssl_crl auth_http auth_http_timeout auth_http_header auth_http_pass_client_cert xclient
    proxy_smtp_auth proxy_protocol proxy_pass_error_message proxy_timeout proxy_buffer set_real_ip_from
    worker_processes worker_connections error_log`),
  "from-haraka.md": words(`
    smtp.ini connection.ini tls.ini tls_key.pem log.ini http.ini me plugins plugin_timeout host_list host_list_regex
    smtp_forward.ini smtp_proxy.ini lmtp.ini relay.ini relay_acl_allow relay_dest_domains.ini access.ini dns-list.ini
    limit.ini greylist.ini spf.ini helo.checks.ini fcrdns.ini early_talker.ini tarpit.timeout geoip.ini karma.ini
    dkim.ini headers.ini rspamd.ini clamd.ini spamassassin.ini redis.ini outbound.ini xclient_hosts auth_flat_file.ini
    access relay dns-list fcrdns asn geoip early_talker toobusy tarpit karma limit tls xclient helo.checks
    mail_from.is_resolvable spf greylist known-senders rcpt_to.in_host_list qmail-deliverable aliases
    record_envelope_addresses headers bounce dkim uribl attachment clamd spamassassin rspamd dcc messagesniffer
    data.signatures block_me prevent_credential_leaks auth/flat_file auth/auth_proxy auth/auth_bridge auth/auth_vpopmaild
    queue/smtp_forward queue/smtp_proxy queue/smtp_bridge queue/lmtp queue/qmail-queue queue/quarantine queue/discard
    queue/deliver queue/test status process_title syslog redis delay_deny profile reseed_rng watch`),
  "from-postscreen.md": words(`
    postscreen_access_list postscreen_denylist_action postscreen_allowlist_interfaces postscreen_greet_banner
    postscreen_greet_wait postscreen_greet_action postscreen_greet_ttl postscreen_dnsbl_sites postscreen_dnsbl_threshold
    postscreen_dnsbl_allowlist_threshold postscreen_dnsbl_action postscreen_dnsbl_reply_map postscreen_dnsbl_timeout
    postscreen_dnsbl_min_ttl postscreen_dnsbl_max_ttl postscreen_pipelining_enable postscreen_pipelining_action
    postscreen_pipelining_ttl postscreen_non_smtp_command_enable postscreen_non_smtp_command_action
    postscreen_non_smtp_command_ttl postscreen_forbidden_commands postscreen_bare_newline_enable
    postscreen_bare_newline_action postscreen_bare_newline_ttl postscreen_cache_map postscreen_cache_cleanup_interval
    postscreen_cache_retention_time postscreen_client_connection_count_limit postscreen_pre_queue_limit
    postscreen_post_queue_limit postscreen_command_count_limit postscreen_command_time_limit postscreen_command_filter
    postscreen_discard_ehlo_keywords postscreen_discard_ehlo_keyword_address_maps postscreen_disable_vrfy_command
    postscreen_enforce_tls postscreen_use_tls postscreen_tls_security_level postscreen_helo_required
    postscreen_expansion_filter postscreen_reject_footer postscreen_reject_footer_maps postscreen_upstream_proxy_protocol
    postscreen_upstream_proxy_timeout postscreen_watchdog_timeout
    smtpd_client_connection_rate_limit smtpd_client_connection_count_limit smtpd_client_message_rate_limit
    smtpd_client_recipient_rate_limit smtpd_client_auth_rate_limit smtpd_client_new_tls_session_rate_limit
    smtpd_soft_error_limit smtpd_hard_error_limit smtpd_error_sleep_time smtpd_timeout smtpd_forbid_bare_newline
    smtpd_forbid_unauth_pipelining message_size_limit smtpd_recipient_limit check_policy_service smtpd_milters
    reject_rbl_client reject_rhsbl_sender reject_unknown_client_hostname reject_unknown_reverse_client_hostname
    reject_invalid_helo_hostname reject_non_fqdn_helo_hostname reject_unknown_helo_hostname reject_unknown_sender_domain
    reject_unauth_destination permit_mynetworks permit_sasl_authenticated check_client_access check_sender_access
    check_recipient_access`),
};
