/** The layers of DESIGN section 3 as a rule: what each folder of src may import. Anything not listed here is refused. */
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
  node: ['core', 'ports', 'formats', 'datasets', 'forwarding', 'bandwidth', 'mesh', 'session', 'observations', 'instruments'],
  runtime: ['core', 'ports', 'formats'],
  simulation: ['core', 'ports', 'formats', 'datasets', 'forwarding', 'bandwidth', 'mesh', 'session', 'observations', 'instruments', 'node'],
  agent: ['core', 'ports', 'node', 'runtime'],
};

/** Packages each folder may use; every other folder uses none. */
const packages = {
  core: ['cborg'],
  session: ['valibot'],
  datasets: ['valibot'],
  observations: ['valibot'],
  instruments: ['valibot'],
  forwarding: ['valibot'],
  mesh: ['valibot'],
  node: ['valibot'],
  runtime: ['h5wasm'],
};

const withNode = ['runtime', 'agent'];

const forbidden = [
  { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
  { name: 'no-orphans', severity: 'error', from: { orphan: true, path: '^src/', pathNot: '\\.d\\.ts$' }, to: {} },
];
for (const [folder, allowed] of Object.entries(mayImport)) {
  const folders = [folder, ...allowed].join('|');
  // The simulator may run the real SQL on an in-memory database.
  const exception =
    folder === 'simulation' ? '|src/runtime/sqlite-catalog\\.ts$|src/runtime/node-crypto\\.ts$|src/runtime/zstd-compressor\\.ts$' : '';
  forbidden.push({
    name: `${folder}-imports`,
    severity: 'error',
    from: { path: `^src/${folder}/` },
    to: { path: '^src/', pathNot: `^src/(${folders})/${exception}` },
  });
  const ownPackages = (packages[folder] ?? []).join('|');
  forbidden.push({
    name: `${folder}-packages`,
    severity: 'error',
    from: { path: `^src/${folder}/` },
    to: { path: 'node_modules', ...(ownPackages ? { pathNot: `node_modules/(${ownPackages})/` } : {}) },
  });
  if (!withNode.includes(folder)) {
    forbidden.push({ name: `${folder}-is-pure`, severity: 'error', from: { path: `^src/${folder}/` }, to: { dependencyTypes: ['core'] } });
  }
}

module.exports = { forbidden, options: { tsPreCompilationDeps: true, doNotFollow: { path: 'node_modules' } } };
