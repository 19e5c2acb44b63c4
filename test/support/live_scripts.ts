// Senders that are a library rather than a program. Each script reads a letter as JSON and speaks through
// the library alone; what the library hears it prints.

/** Python: smtplib. */
export const SMTPLIB = `
import base64, json, smtplib, ssl, sys
order = json.load(sys.stdin)
context = ssl.create_default_context(cafile=order["ca"]) if "ca" in order else None
options = dict(host=order["host"], port=order["port"], local_hostname="client.example", timeout=15)
if order["security"] == "implicit":
    server = smtplib.SMTP_SSL(context=context, **options)
else:
    server = smtplib.SMTP(**options)
server.set_debuglevel(1)
if order["security"] == "starttls":
    server.starttls(context=context)
mail, rcpt = ["BODY=8BITMIME"], []
server.ehlo_or_helo_if_needed()
addresses = order["from"] + "".join(order["to"])
if not addresses.isascii():
    mail.append("SMTPUTF8")
if "dsn" in order:
    mail += ["RET=" + order["dsn"]["ret"], "ENVID=" + order["dsn"]["envid"]]
    rcpt = ["NOTIFY=" + ",".join(order["dsn"]["notify"]), "ORCPT=rfc822;" + order["to"][0]]
try:
    refused = server.sendmail(order["from"], order["to"], base64.b64decode(order["content"]), mail, rcpt)
    server.quit()
except smtplib.SMTPException as fault:
    print("FAULT", repr(fault))
    sys.exit(1)
print("REFUSED", refused)
sys.exit(1 if refused else 0)
`;

/** Perl: Net::SMTP, the message in chunks of 6,000 octets where CHUNKING is offered. */
export const NET_SMTP = `
use strict; use JSON::PP; use MIME::Base64; use Net::SMTP;
my $order = decode_json(do { local $/; <STDIN> });
my $smtp = Net::SMTP->new($order->{host}, Port => $order->{port}, Hello => "client.example", Timeout => 15, Debug => 1)
  or die "no connection: $@";
my %mail = (Bits => "8");
my %rcpt;
if (my $dsn = $order->{dsn}) {
  %mail = (%mail, Return => $dsn->{ret}, ENVID => $dsn->{envid});
  %rcpt = (Notify => $dsn->{notify}, ORcpt => "rfc822;" . $order->{to}[0]);
}
my ($ok, $accepted) = (1, 0);
$smtp->mail($order->{from}, %mail) or $ok = 0;
for my $to (@{ $order->{to} }) {
  if ($smtp->to($to, $order->{dsn} ? \\%rcpt : ())) { $accepted++ } else { $ok = 0 }
}
if ($accepted) {
  my $content = decode_base64($order->{content});
  if (defined $smtp->supports("CHUNKING")) {
    # Net::SMTP itself turns bdat on for BODY=BINARYMIME only.
    \${*$smtp}{net_smtp_chunking} = 1;
    my @chunks = unpack("(a6000)*", $content);
    my $last = pop @chunks;
    for my $chunk (@chunks) { $smtp->bdat($chunk) or die "chunk refused: " . $smtp->message }
    $smtp->bdatlast($last) or $ok = 0;
  } else {
    $smtp->data($content) or $ok = 0;
  }
}
print "LAST ", $smtp->code, " ", $smtp->message;
$smtp->quit;
exit($ok ? 0 : 1);
`;
