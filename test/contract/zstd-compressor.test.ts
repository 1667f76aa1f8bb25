import { zstdCompressor } from '../../src/runtime/zstd-compressor.ts';
import { testCompressorContract } from './compressor-suite.ts';

testCompressorContract('zstd of node:zlib', zstdCompressor);
