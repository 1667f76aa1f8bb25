/** The layers of DESIGN section 3 as a rule: what each folder of src may import. Anything not listed here is refused. */
const machines = ['datasets', 'forwarding', 'bandwidth', 'mesh', 'session', 'observations', 'instruments'];
const mayImport = {
  core: [],
  ports: ['core'],
  formats: ['core', 'ports'],
  datasets: ['core', 'ports'],
  forwarding: ['core', 'ports'],
  bandwidth: ['core', 'ports'],
  mesh: ['core', 'ports'],
  session: ['core', 'ports'],
  observations: ['core', 'ports', 'formats'],
  instruments: ['core', 'ports', 'formats'],
  node: ['core', 'ports', 'formats', ...machines],
  runtime: ['core', 'ports', 'formats'],
  simulation: ['core', 'ports', 'formats', ...machines, 'node'],
  agent: ['core', 'ports', 'node', 'runtime'],
};

/** Single files of other folders that a folder may import as well. */
const mayImportFiles = {
  // The simulator runs the real SQL on an in-memory database, and hashes, signs and compresses as a node in the field does.
  simulation: ['runtime/sqlite-catalog', 'runtime/node-crypto', 'runtime/zstd-compressor'],
  agent: ['open-node'],
  // Its threads cut large files by the same rule.
  runtime: ['datasets/chunking'],
};

/** The composition root: files directly in src, each with the folders and files it puts together. Nothing but the agent imports them. */
const roots = {
  index: ['core', 'ports', 'formats', ...machines, 'node', 'open-node'],
  'open-node': ['core', 'ports', 'formats', ...machines, 'node', 'runtime'],
};

/** Packages each folder may use; every other folder, and the composition root, uses none. */
const packages = {
  core: ['cborg'],
  session: ['valibot'],
  datasets: ['valibot'],
  observations: ['valibot'],
  instruments: ['valibot'],
  forwarding: ['valibot'],
  mesh: ['valibot'],
  node: ['valibot'],
  simulation: ['valibot'],
  agent: ['valibot'],
  runtime: ['h5wasm', 'mqtt', 'serialport'],
};

/** Folders and files that may import Node's own modules. */
const withNode = ['runtime', 'agent', 'open-node'];

const forbidden = [
  { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
  { name: 'no-orphans', severity: 'error', from: { orphan: true, path: '^src/', pathNot: '\\.d\\.ts$' }, to: {} },
  { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  { name: 'src-stands-alone', severity: 'error', from: { path: '^src/' }, to: { path: '^(test|demo|bench|tools)/' } },
];

/** Refuses everything but the targets listed, which are folders of src or files without their extension, to the modules whose paths match. */
function restrict(name, path, targets) {
  const allowed = targets.map((target) => (target in mayImport ? `${target}/` : `${target}\\.ts$`)).join('|');
  const own = (packages[name] ?? []).join('|');
  forbidden.push(
    { name: `${name}-imports`, severity: 'error', from: { path }, to: { path: '^src/', ...(allowed && { pathNot: `^src/(${allowed})` }) } },
    {
      name: `${name}-packages`,
      severity: 'error',
      from: { path },
      to: { path: 'node_modules', ...(own && { pathNot: `node_modules/(${own})/` }) },
    },
  );
  if (!withNode.includes(name))
    forbidden.push({ name: `${name}-is-pure`, severity: 'error', from: { path }, to: { dependencyTypes: ['core'] } });
}

for (const [folder, folders] of Object.entries(mayImport))
  restrict(folder, `^src/${folder}/`, [folder, ...folders, ...(mayImportFiles[folder] ?? [])]);
for (const [file, targets] of Object.entries(roots)) restrict(file, `^src/${file}\\.ts$`, targets);

// A folder or file that nobody gave a place among the layers.
const placed = [...Object.keys(mayImport).map((folder) => `${folder}/`), ...Object.keys(roots).map((file) => `${file}\\.ts$`)].join('|');
forbidden.push({ name: 'no-place-among-the-layers', severity: 'error', from: { path: '^src/', pathNot: `^src/(${placed})` }, to: {} });

module.exports = {
  forbidden,
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['node', 'import', 'types', 'default'] },
  },
};
