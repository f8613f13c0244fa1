/** Where a broker listens. */
export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

const DEFAULT_PORT = 9092;

/**
 * Reads the addresses of brokers, `HOST:PORT` with commas between them. An IPv6 address stands in
 * brackets, `[::1]:9092`; without a port it is Kafka's own, 9092. Throws a `SyntaxError` for other text.
 */
export function brokerAddresses(bootstrap: string): BrokerAddress[] {
  return bootstrap.split(",").map((text) => {
    const [, ipv6, name, digits] =
      /^(?:\[([\da-f:.]+(?:%\w+)?)\]|([\w.-]+))(?::(\d{1,5}))?$/i.exec(text.trim()) ?? [];
    const port = Number(digits ?? DEFAULT_PORT);
    if ((ipv6 ?? name) !== undefined && port > 0 && port < 65_536) {
      return { host: (ipv6 ?? name)!, port };
    }
    throw new SyntaxError(
      `A broker's address should be HOST:PORT such as 127.0.0.1:9092 or [::1]:9092, several with commas ` +
        `between them, got "${text}"`,
    );
  });
}

/** Writes an address as `brokerAddresses` reads it. */
export function addressText({ host, port }: BrokerAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
