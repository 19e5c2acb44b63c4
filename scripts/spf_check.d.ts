/** The part of spf-check that scripts/spf_report.ts uses. */
declare module "spf-check" {
  export class SPFResult {
    constructor(result: string, message: string);
    readonly result: string;
  }

  export class SPF {
    constructor(domain: string, sender: string, options: object);
    queryDNSCount: number;
    readonly options: { readonly maxDNS: number };
    resolveDNS(name: string, type: string, counts?: boolean): Promise<unknown[]>;
    check(ip: string): Promise<SPFResult>;
  }
}
