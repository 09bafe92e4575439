CREATE TABLE `catalog_values` (
	`key` text NOT NULL,
	`part` integer NOT NULL,
	`value` text NOT NULL,
	PRIMARY KEY(`key`, `part`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `commits` (
	`ts` integer NOT NULL,
	`part` integer NOT NULL,
	`weight` integer NOT NULL,
	`transactions` text NOT NULL,
	`garbage` text NOT NULL,
	PRIMARY KEY(`ts`, `part`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `document_overflow` (
	`table_id` integer NOT NULL,
	`id` blob NOT NULL,
	`ts` integer NOT NULL,
	`part` integer NOT NULL,
	`value` text NOT NULL,
	PRIMARY KEY(`table_id`, `id`, `ts`, `part`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `documents` (
	`table_id` integer NOT NULL,
	`id` blob NOT NULL,
	`ts` integer NOT NULL,
	`size` integer,
	`value` text,
	PRIMARY KEY(`table_id`, `id`, `ts`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `head` (
	`id` integer PRIMARY KEY NOT NULL,
	`ts` integer NOT NULL,
	`writer` text NOT NULL,
	`catalog_ts` integer NOT NULL,
	`retained_from` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `id_counters` (
	`name` text PRIMARY KEY NOT NULL,
	`value` integer NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `index_entries` (
	`index_id` integer NOT NULL,
	`key` blob NOT NULL,
	`ts` integer NOT NULL,
	`deleted` integer NOT NULL,
	PRIMARY KEY(`index_id`, `key`, `ts`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `indexes` (
	`id` integer PRIMARY KEY NOT NULL,
	`table_id` integer NOT NULL,
	`name` text NOT NULL,
	`definition` text NOT NULL,
	`state` text NOT NULL,
	`staged` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `outcomes` (
	`day` integer NOT NULL,
	`session_id` text NOT NULL,
	`request_id` text NOT NULL,
	`part` integer NOT NULL,
	`ts` integer NOT NULL,
	`outcome` text NOT NULL,
	PRIMARY KEY(`day`, `session_id`, `request_id`, `part`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `tables` (
	`id` integer PRIMARY KEY NOT NULL,
	`component` text NOT NULL,
	`name` text NOT NULL,
	`number` integer NOT NULL
);
--> statement-breakpoint
INSERT INTO `head` (`id`, `ts`, `writer`, `catalog_ts`, `retained_from`) VALUES (1, 0, '', 0, 0);
