import { campaignBatch } from './campaign-batch.ts';

campaignBatch(1, 150);
