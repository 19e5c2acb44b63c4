/**
 * Exchange behind the proxy (Set-ReceiveConnector, Set-TransportConfig).
 */

export function exchange(proxy: string): readonly string[] {
  return [
    "# PowerShell. Exchange takes neither XCLIENT nor PROXY: it learns of the client from the Received field only,",
    "# and looks there when it knows the proxy for one of its own",
    `Set-TransportConfig -InternalSMTPServers @{Add="${proxy}"}`,
    "# A connector for the proxy alone, that relays for nobody, counts nobody, and refuses bare LF",
    'New-ReceiveConnector -Name "Sallyport" -TransportRole FrontendTransport -Usage Custom `',
    `  -Bindings 0.0.0.0:10025 -RemoteIPRanges ${proxy} -PermissionGroups AnonymousUsers -AuthMechanism Tls`,
    'Set-ReceiveConnector "$env:COMPUTERNAME\\Sallyport" -MaxInboundConnectionPerSource Unlimited `',
    "  -MaxInboundConnectionPercentagePerSource 100 -TarpitInterval 00:00:00 -BareLinefeedRejectionEnabled $true",
    "# On every connector that takes the proxy's connections this has to come out empty:",
    'Get-ReceiveConnector | Get-ADPermission -User "NT AUTHORITY\\ANONYMOUS LOGON" |',
    '  Where-Object { $_.ExtendedRights -like "*SMTP-Accept-Any-Recipient*" }',
  ];
}
