/**
 * Every bound that protects memory, disk or a peer, in one place. A limit that is reached is a defined outcome, never a crash and never a silent loss.
 */
export const limits = {
  /** Bytes of one chunk, after decoding. The chunker's maximum; a larger one from a peer is refused. */
  chunkBytesMax: 8 * 1024 * 1024,
  /** Changes in one log entry of a `files` dataset; a larger publication becomes several entries. */
  changesPerRevisionMax: 512,
  /** Bytes of one signed log entry. */
  logEntryBytesMax: 1024 * 1024,
  /** UTF-8 bytes of a path inside a dataset (the usual PATH_MAX). */
  pathBytesMax: 4096,
  /** Bytes of one control message between two nodes. */
  messageBytesMax: 2 * 1024 * 1024,
  /** Unencoded bytes that one encoded group of new content may stand for. */
  groupBytesMax: 8 * 1024 * 1024,
  /** Bytes of one question about the blocks of a lost base, and of its answer. */
  baseQueryBytesMax: 64 * 1024,
  baseAnswerBytesMax: 256 * 1024,
  /** Bytes of one message about routes. */
  routesBytesMax: 16 * 1024,
  /** Bytes of one message about carrying: what `mesh/carrying-wire.ts` can come to. */
  carryingBytesMax: 9_203,
  /** Bytes of the stream that one cell of a circuit brings. */
  circuitCellBytesMax: 8 * 1024,
  /** Bytes that a neighbour may send on one circuit before they have been passed on: what a relay holds of it, in each direction. */
  circuitWindowBytes: 64 * 1024,
  /** Circuits that one node has opened or accepted at a time. */
  circuitEndsMax: 64,
  /** Bytes that one end of a circuit may keep waiting for credit; a longer queue ends the circuit. */
  circuitQueueBytesMax: 16 * 1024 * 1024,
  /** Groups of one wanted content whose lost base is being asked about at a time. */
  baseSearchesMax: 8,
  /** How far ahead of our own wall clock another node's instants are followed, in milliseconds (one day). */
  clockLeadMsMax: 86_400_000,
  /** Bytes of log entries that travel in one message. */
  entriesMessageBytesMax: 256 * 1024,
  /** Runs of complete groups that a resumed want lists; behind that many the rest is sent again. */
  heldRunsMax: 1024,
  /** Bytes of incomplete transfer objects that one session may hold in memory. */
  assemblyBytesMax: 64 * 1024 * 1024,
  /** Receipts in one message. */
  receiptsPerMessageMax: 1024,
  /** Contents asked of one peer at a time. */
  wantsPerSessionMax: 64,
  /** Wants of one peer that are remembered until the content is here. */
  deferredWantsPerSessionMax: 4096,
  /** Heads of one entry that are kept apart; more than this many sites editing one entry at once are merged pairwise first. */
  headsPerEntryMax: 64,
  /** Nodes that may write to one dataset. */
  authorsPerDatasetMax: 4096,
  /** Branches that are kept of a forked log, and bytes of what came of them: it is in memory at once when it is mended. */
  branchesPerLogMax: 16,
  branchBytesMax: 128 * 1024 * 1024,
  /** Statements of an author about one branch that are looked at: each may have its entries compared. */
  statementsPerBranchMax: 64,
  /** Times that branches of one log are compared with it, entry by entry, before this node is opened anew. */
  forkComparisonsMax: 64,
  /** Members of a team. */
  membersPerTeamMax: 4096,
  /** Datasets of a team. */
  datasetsPerTeamMax: 65_536,
  /** Sessions held at once; the least recently useful one is closed for a new one. */
  sessionsMax: 256,
  /** Handshakes under way at once from strangers. */
  pendingHandshakesMax: 64,
  /** Handshakes of strangers that are looked at in a second, on average; each costs a few Diffie-Hellman computations. */
  handshakesPerSecondMax: 100,
  /** Streams that may be open at once; a further one is closed. */
  streamsMax: 512,
  /** Packets of one session that may be under way unacknowledged. */
  packetsUnderWayMax: 65_536,
  /** Bytes of messages of one session that may wait to be sent. */
  messageQueueBytesMax: 16 * 1024 * 1024,
  /** Bytes of transfers of one session that may wait to be sent. */
  dataQueueBytesMax: 16 * 1024 * 1024,
  /** Fields of one instrument table. */
  fieldsPerTableMax: 4096,
  /** Bytes of one line in a text file from an instrument. */
  instrumentLineBytesMax: 256 * 1024,
} as const;
