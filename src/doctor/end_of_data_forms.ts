/**
 * What an end of data is not (RFC 5321 §4.1.1.4: only CRLF.CRLF is one), and what some servers have taken for it. None
 * of them holds a true end, nor makes one with what follows it.
 */
export const FALSE_ENDS: readonly string[] = [
  "\n.\n",
  "\n.\r\n",
  "\r\n.\n",
  "\n.\r",
  "\r\n.\r",
  "\r.\r",
  "\r.\n",
  "\r.\r\n",
  "\n\n.\r\n",
  "\r\n.\r\r\n",
  "\r\r\n.\r\r\n",
  "\r\n\0.\r\n",
  "\r\n\0.\n",
  "\r\n\0.\r",
  "\r\n.\0\r\n",
  "\r\n.\r\0\n",
  "\r\0\n.\r\n",
];
