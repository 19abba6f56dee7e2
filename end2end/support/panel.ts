// The panel as a person finds it: by roles and names, not by classes.
import { expect, type Locator, type Page } from "@playwright/test";
import type { Lab } from "./lab.ts";
import type { Run } from "./run.ts";

export class Panel {
  constructor(
    readonly page: Page,
    readonly lab: Lab,
  ) {}

  /** Opens a page and waits until it is alive: before hydration a click does nothing. */
  async open(address = "/staging"): Promise<void> {
    await this.page.goto(this.lab.url + address);
    await this.alive();
  }

  /** Waits for hydration. */
  async alive(): Promise<void> {
    await expect(this.page.locator("html[data-hydrated=true]")).toBeAttached();
  }

  /** The row of a run in the staging table. */
  row(run: Run): Locator {
    return this.page.getByRole("row").filter({ has: this.page.getByRole("link", { name: run.leaf, exact: true }) });
  }

  /** A button of a row: 'Force sync', 'Clear…', 'Verify', 'Retry'. */
  button(run: Run, name: string): Locator {
    return this.row(run).getByRole("button", { name });
  }

  /** The open dialog. */
  get dialog(): Locator {
    return this.page.getByRole("dialog");
  }

  /** The button of the dialog that really clears. */
  get confirmButton(): Locator {
    return this.dialog.getByRole("button", { name: /^clear and free/i });
  }

  /** Waits until the dialog knows what would go, then agrees. */
  async confirmClear(): Promise<void> {
    await expect(this.confirmButton).toBeEnabled();
    await this.confirmButton.click();
  }
}
