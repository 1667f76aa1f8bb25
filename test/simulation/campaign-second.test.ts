import { campaignBatch } from './campaign-batch.ts';

campaignBatch(100_001, 150);
